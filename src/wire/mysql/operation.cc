#include "wire/mysql/operation.h"

#include <fmt/format.h>

#include "wire/sql_words.h"

namespace reprise::wire::mysql {

namespace {

constexpr size_t kStatementBytes = 64u << 20;
constexpr size_t kLongDataBytes = 16u << 20;  // of a connection; what follows is not compared
constexpr uint32_t kLastPrepared = 0xffffffff;

Operation simple(std::string verb, Effect effect, Tier tier) {
  Operation op;
  op.label = verb;
  op.verb = std::move(verb);
  op.effect = effect;
  op.tier = tier;
  return op;
}

void set_sql(Operation& op, ByteView sql) {
  const SqlTraits traits = sql_traits(sql, SqlDialect::kMysql);
  op.effect = traits.effect;
  op.tier = traits.tier;
  op.label = sql_one_line(sql);
  op.leaves.push_back({"sql", Bytes(sql), LeafForm::kSql, LeafClass::kIdentity});
}

ColumnType read_type(Reader& r) {
  ColumnType t;
  t.type = static_cast<uint8_t>(r.integer(1));
  t.is_unsigned = (r.integer(1) & 0x80) != 0;
  t.binary = true;
  return t;
}

void show_param(Operation& op, const Leaf& leaf, bool first) {
  if (op.label.size() > 200) return;
  op.label += first ? " [" : ", ";
  op.label += leaf.form == LeafForm::kNull ? "NULL" : printable(leaf.text, 40);
}

// Skips MySQL 8 query attributes in front of the text of a COM_QUERY.
ByteView after_attributes(ByteView body) {
  Reader r(body);
  const uint64_t count = r.lenenc();
  r.lenenc();  // sets, always 1
  if (count > 0xffff) return body;
  if (count > 0) {
    const ByteView nulls = r.take((count + 7) / 8);
    std::vector<ColumnType> types;
    if (r.integer(1) == 1) {
      for (uint64_t i = 0; i < count && r.ok(); ++i) {
        types.push_back(read_type(r));
        r.lenenc_string();
      }
    }
    for (size_t i = 0; i < types.size() && r.ok(); ++i) {
      Leaf ignored;
      if ((u8(nulls, i / 8) >> (i % 8) & 1) == 0) read_binary(r, types[i], ignored);
    }
  }
  return r.ok() ? r.rest() : body;
}

void decode_params(Reader& r, Statement& st, Operation& op, bool named) {
  const size_t count = st.params;
  if (count == 0) return;
  const ByteView nulls = r.take((count + 7) / 8);
  if (r.integer(1) == 1) {
    st.types.clear();
    for (size_t i = 0; i < count && r.ok(); ++i) {
      st.types.push_back(read_type(r));
      if (named) r.lenenc_string();
    }
  }
  for (size_t i = 0; i < count && r.ok(); ++i) {
    Leaf leaf{fmt::format("param.{}", i), {}, LeafForm::kNull, LeafClass::kIdentity};
    const auto streamed = st.long_data.find(static_cast<unsigned>(i));
    if (streamed != st.long_data.end()) {
      leaf.form = LeafForm::kBinary;
      leaf.text = streamed->second;
    } else if ((u8(nulls, i / 8) >> (i % 8) & 1) == 0) {
      if (i >= st.types.size()) break;  // joined after the execution that sent the types
      read_binary(r, st.types[i], leaf);
      if (!r.ok()) break;
    }
    show_param(op, leaf, i == 0);
    op.leaves.push_back(std::move(leaf));
  }
  if (op.label.size() > 0 && count > 0) op.label += ']';
}

void put_columns(Operation& op, const Statement& st) {
  if (st.columns.empty()) return;
  op.leaves.push_back({"columns", st.columns, LeafForm::kText, LeafClass::kContext});
}

Operation decode_execute(ByteView payload, Statements& statements, CommandOptions options) {
  Operation op = simple("EXECUTE", Effect::kUnknown, Tier::kCall);
  Reader r(payload);
  r.integer(1);
  const auto id = static_cast<uint32_t>(r.integer(4));
  const uint64_t flags = r.integer(1);
  r.integer(4);
  Statement* st = statements.find(id);
  if (st == nullptr) {
    op.label = fmt::format("EXECUTE of a statement prepared before the recording (id {})", id);
    op.leaves.push_back({"arguments", Bytes(r.rest()), LeafForm::kBinary, LeafClass::kIdentity});
    return op;
  }
  set_sql(op, st->sql);
  if (op.tier == Tier::kHeartbeat && op.leaves[0].text.empty()) op.tier = Tier::kCall;
  const size_t declared = st->params;
  if (options.query_attributes && (flags & 8) != 0)
    st->params = std::min<uint64_t>(r.lenenc(), 0xffff);
  const ByteView before = r.rest();
  decode_params(r, *st, op, options.query_attributes);
  if (!r.ok())
    op.leaves.push_back({"arguments", Bytes(before), LeafForm::kBinary, LeafClass::kIdentity});
  st->params = declared;
  statements.drop_long_data(*st);
  if (options.cached_metadata) put_columns(op, *st);
  if ((flags & 7) != 0)
    op.leaves.push_back({"cursor", "1", LeafForm::kNumber, LeafClass::kContext});
  return op;
}

// MariaDB's array execution: types once, then rows of (indicator, value).
Operation decode_bulk(ByteView payload, Statements& statements) {
  Operation op = simple("EXECUTE_BULK", Effect::kUnknown, Tier::kCall);
  Reader r(payload);
  r.integer(1);
  Statement* st = statements.find(static_cast<uint32_t>(r.integer(4)));
  const uint64_t flags = r.integer(2);
  if (st != nullptr) set_sql(op, st->sql);
  const ByteView before = r.rest();
  bool whole = st != nullptr && st->params > 0;
  if (whole && (flags & 0x80) != 0) {
    st->types.clear();
    for (size_t i = 0; i < st->params && r.ok(); ++i) st->types.push_back(read_type(r));
  }
  whole = whole && st->types.size() == st->params;
  for (size_t row = 0; whole && r.ok() && r.left() > 0; ++row) {
    for (size_t i = 0; i < st->params && r.ok(); ++i) {
      Leaf leaf{fmt::format("param[{}].{}", row, i), {}, LeafForm::kNull, LeafClass::kIdentity};
      if (r.integer(1) == 0) read_binary(r, st->types[i], leaf);
      op.leaves.push_back(std::move(leaf));
    }
  }
  if (!whole || !r.ok()) {
    op.leaves.resize(st != nullptr ? 1 : 0);
    op.leaves.push_back({"arguments", Bytes(before), LeafForm::kBinary, LeafClass::kIdentity});
  }
  return op;
}

Operation about_statement(std::string verb, ByteView payload, Statements& statements, Tier tier) {
  Operation op = simple(std::move(verb), Effect::kRead, tier);
  Reader r(payload);
  r.integer(1);
  if (const Statement* st = statements.find(static_cast<uint32_t>(r.integer(4)))) {
    op.leaves.push_back({"sql", st->sql, LeafForm::kSql, LeafClass::kIdentity});
    op.label += " " + sql_one_line(st->sql);
    if (op.verb == "STMT_FETCH") put_columns(op, *st);
  }
  return op;
}

Operation long_data(ByteView payload, Statements& statements) {
  Operation op = about_statement("SEND_LONG_DATA", payload, statements, Tier::kSetup);
  Reader r(payload);
  r.integer(1);
  Statement* st = statements.find(static_cast<uint32_t>(r.integer(4)));
  const auto param = static_cast<unsigned>(r.integer(2));
  if (r.ok() && st != nullptr && param < st->params) {
    statements.add_long_data(*st, param, r.rest());
  }
  return op;
}

void close_statement(ByteView payload, Statements& statements, bool forget) {
  if (payload.size() < 5) return;
  const uint32_t id = le32(payload, 1);
  if (forget) {
    statements.close(id);
  } else if (Statement* st = statements.find(id)) {
    statements.drop_long_data(*st);
  }
}

}  // namespace

Statement* Statements::find(uint32_t id) {
  if (id == kLastPrepared) {
    if (last_pending_) return &last_;
    id = last_id_;
  }
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &it->second;
}

void Statements::preparing(ByteView sql) {
  drop_long_data(last_);
  last_ = {};
  last_.sql = Bytes(sql.substr(0, kStatementBytes));
  last_.params = std::min<size_t>(sql_placeholders(sql), 0xffff);
  last_pending_ = true;
}

void Statements::prepared(uint32_t id, ByteView sql, size_t params) {
  last_pending_ = false;
  last_id_ = id;
  close(id);
  const size_t weight = sql.size() + sizeof(Statement) + params * sizeof(ColumnType);
  if (kept_ + weight > kStatementBytes) return;
  kept_ += weight;
  Statement& st = by_id_[id];
  st.sql = Bytes(sql);
  st.params = params;
  st.weight = weight;
}

void Statements::add_column(uint32_t id, const Column& column) {
  const auto it = by_id_.find(id);
  if (it == by_id_.end() || kept_ > kStatementBytes) return;
  Statement& st = it->second;
  const size_t before = st.columns.size();
  put_column(st.columns, column);
  st.weight += st.columns.size() - before;
  kept_ += st.columns.size() - before;
}

void Statements::add_long_data(Statement& statement, unsigned param, ByteView data) {
  data = data.substr(0, kLongDataBytes - std::min(kLongDataBytes, long_data_kept_));
  statement.long_data[param].append(data);
  long_data_kept_ += data.size();
}

void Statements::drop_long_data(Statement& statement) {
  for (const auto& [param, data] : statement.long_data) long_data_kept_ -= data.size();
  statement.long_data.clear();
}

void Statements::close(uint32_t id) {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return;
  drop_long_data(it->second);
  kept_ -= it->second.weight;
  by_id_.erase(it);
}

void Statements::clear() {
  by_id_.clear();
  drop_long_data(last_);
  kept_ = long_data_kept_ = 0;
  last_pending_ = false;
}

Operation decode_command(ByteView payload, Statements& statements, CommandOptions options) {
  if (payload.empty()) return simple("EMPTY", Effect::kUnknown, Tier::kCall);
  const uint8_t command = u8(payload, 0);
  const ByteView body = payload.substr(1);
  Operation op;
  switch (command) {
    case kQuery: {
      op.verb = "QUERY";
      // No SQL starts with these two bytes, so that a reader that joined late sees attributes too.
      const bool none = body.size() >= 2 && body[0] == 0 && body[1] == 1;
      set_sql(op, options.query_attributes || none ? after_attributes(body) : body);
      return op;
    }
    case kStmtPrepare:
      op = simple("PREPARE", Effect::kRead, Tier::kSetup);
      op.label += " " + sql_one_line(body, 192);
      op.leaves.push_back({"sql", Bytes(body), LeafForm::kSql, LeafClass::kIdentity});
      statements.preparing(body);
      return op;
    case kStmtExecute:
      return decode_execute(payload, statements, options);
    case kStmtBulkExecute:
      return decode_bulk(payload, statements);
    case kStmtSendLongData:
      return long_data(payload, statements);
    case kStmtClose:
    case kStmtReset:
      op = about_statement(command == kStmtClose ? "STMT_CLOSE" : "STMT_RESET", payload, statements,
                           Tier::kSetup);
      close_statement(payload, statements, command == kStmtClose);
      return op;
    case kStmtFetch:
      return about_statement("STMT_FETCH", payload, statements, Tier::kCall);
    case kInitDb:
      op = simple("INIT_DB", Effect::kRead, Tier::kSetup);
      op.label += " " + printable(body, 80);
      op.leaves.push_back({"database", Bytes(body), LeafForm::kText, LeafClass::kIdentity});
      return op;
    case kPing:
      return simple("PING", Effect::kRead, Tier::kHeartbeat);
    case kQuit:
      return simple("QUIT", Effect::kRead, Tier::kSetup);
    case kStatistics:
      return simple("STATISTICS", Effect::kRead, Tier::kCall);
    case kProcessInfo:
      return simple("PROCESS_INFO", Effect::kRead, Tier::kCall);
    case kResetConnection:
      statements.clear();
      return simple("RESET_CONNECTION", Effect::kRead, Tier::kSetup);
    case kSetOption:
      op = simple("SET_OPTION", Effect::kRead, Tier::kSetup);
      op.leaves.push_back({"option", to_hex(body), LeafForm::kText, LeafClass::kIdentity});
      return op;
    case kFieldList:
      op = simple("FIELD_LIST", Effect::kRead, Tier::kCall);
      op.label += " " + printable(body, 80);
      op.leaves.push_back({"table", Bytes(body), LeafForm::kBinary, LeafClass::kIdentity});
      return op;
    case kChangeUser: {
      statements.clear();
      op = simple("CHANGE_USER", Effect::kRead, Tier::kHandshake);
      const Login l = parse_change_user(payload, 0);
      op.label += " " + printable(l.user, 80);
      op.leaves.push_back({"user", Bytes(l.user), LeafForm::kText, LeafClass::kIdentity});
      op.leaves.push_back({"database", Bytes(l.database), LeafForm::kText, LeafClass::kIdentity});
      return op;
    }
    default:
      op = simple(fmt::format("COM_{:02X}", command), Effect::kUnknown, Tier::kCall);
      op.leaves.push_back({"arguments", Bytes(body), LeafForm::kBinary, LeafClass::kIdentity});
      return op;
  }
}

Operation decode_login(ByteView payload) {
  Operation op = simple("LOGIN", Effect::kRead, Tier::kHandshake);
  const Login l = parse_login(payload);
  op.label = "login as " + printable(l.user, 80);
  if (!l.database.empty()) op.label += ", database " + printable(l.database, 80);
  op.leaves.push_back({"user", Bytes(l.user), LeafForm::kText, LeafClass::kIdentity});
  op.leaves.push_back({"database", Bytes(l.database), LeafForm::kText, LeafClass::kIdentity});
  op.leaves.push_back({"plugin", Bytes(l.plugin), LeafForm::kText, LeafClass::kContext});
  return op;
}

Operation decode_auth_data() {
  Operation op = simple("AUTH_DATA", Effect::kRead, Tier::kHandshake);
  op.label = "login, continued";
  return op;
}

Operation decode_local_infile(ByteView message) {
  Operation op = simple("LOCAL_INFILE", Effect::kWrite, Tier::kCall);
  Leaf leaf{"data", {}, LeafForm::kBinary, LeafClass::kPayload};
  for (Walk w(message); w.next();) leaf.text.append(w.payload());
  op.label = fmt::format("file contents, {} bytes", leaf.text.size());
  op.leaves.push_back(std::move(leaf));
  return op;
}

}  // namespace reprise::wire::mysql
