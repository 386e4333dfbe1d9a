#include "wire/postgres/pg_operation.h"

#include <fmt/format.h>

#include <optional>

#include "wire/sql_words.h"

namespace reprise::wire::postgres {

namespace {

constexpr size_t kStatementBytes = 64u << 20;
constexpr size_t kPortalBytes = 16u << 20;

size_t weight(const Statement& s) { return s.sql.size() + s.types.size() * 4 + 128; }
size_t weight(const Portal& p) {
  size_t n = p.sql.size() + 256;
  for (const Leaf& l : p.params) n += l.text.size() + sizeof(Leaf);
  return n;
}

Operation simple(std::string verb, Effect effect, Tier tier) {
  Operation op;
  op.label = verb;
  op.verb = std::move(verb);
  op.effect = effect;
  op.tier = tier;
  return op;
}

ByteView without_zero(ByteView text) {
  return !text.empty() && text.back() == '\0' ? text.substr(0, text.size() - 1) : text;
}

Statement read_parse(Reader& r) {
  Statement s;
  s.sql = Bytes(r.zero_terminated());
  const unsigned count = r.int16();
  for (unsigned i = 0; i < count && r.ok(); ++i) s.types.push_back(r.int32());
  return s;
}

std::vector<unsigned> read_formats(Reader& r) {
  std::vector<unsigned> formats;
  const unsigned count = r.int16();
  for (unsigned i = 0; i < count && r.ok(); ++i) formats.push_back(r.int16());
  return formats;
}

Portal read_bind(Reader& r, const Statement* st) {
  Portal p;
  p.known = st != nullptr;
  if (st != nullptr) p.sql = st->sql;
  const std::vector<unsigned> formats = read_formats(r);
  const unsigned count = r.int16();
  for (unsigned i = 0; i < count && r.ok(); ++i) {
    Leaf leaf{fmt::format("{}", i), {}, LeafForm::kNull, LeafClass::kIdentity};
    const uint32_t length = r.int32();
    if (length != 0xffffffff) {
      const unsigned format =
          formats.empty()
              ? 0
              : formats[formats.size() == 1 ? 0 : std::min<size_t>(i, formats.size() - 1)];
      const uint32_t oid = st != nullptr && i < st->types.size() ? st->types[i] : 0;
      read_value(r.take(length), oid, format, leaf);
    }
    p.params.push_back(std::move(leaf));
  }
  for (const unsigned f : read_formats(r)) p.result_formats += f == 0 ? '0' : '1';
  return p;
}

// What an extended unit does, message by message.
class Unit {
 public:
  Unit(Names& names) : names_(names) {}

  void message(const Msg& m) {
    Reader r(m.body);
    switch (m.type) {
      case 'P': {
        const Bytes name(r.zero_terminated());
        Statement s = read_parse(r);
        parsed_ = true;
        if (!r.ok()) return;
        last_parsed_ = s.sql;
        names_.parse(name, std::move(s));
        return;
      }
      case 'B': {
        const Bytes portal(r.zero_terminated());
        const ByteView statement = r.zero_terminated();
        bound_ = true;
        names_.bind(portal, read_bind(r, names_.statement(statement)));
        return;
      }
      case 'D': {
        const bool portal = r.byte() == 'P';
        describe(portal, r.rest());
        return;
      }
      case 'E':
        execute(r.zero_terminated(), r.int32());
        return;
      case 'C':
        closed_ = true;
        names_.close(static_cast<char>(r.byte()), without_zero(r.rest()));
        return;
      case 'Q':
        query(without_zero(m.body));
        return;
      case 'd':
        copy_ += m.body.size(), copied_ = true;
        return;
      case 'c':
        copied_ = true;
        return;
      case 'f':
        copied_ = copy_failed_ = true;
        return;
      case 'F':
        function_ = true;
        return;
      default:
        return;
    }
  }

  Operation take() {
    if (copied_ && executes_ == 0) return copy_data();
    if (function_) {
      op_.verb = "FUNCTION_CALL";
      op_.effect = Effect::kUnknown;
      return std::move(op_);
    }
    if (executes_ > 0) {
      op_.verb = queried_ ? "QUERY" : "EXECUTE";
      op_.effect = traits_->effect;
      op_.tier = traits_->tier;
      return std::move(op_);
    }
    if (parsed_ || described_ || bound_) {
      op_ = simple("PREPARE", Effect::kRead, Tier::kSetup);
      const Bytes sql = parsed_ ? last_parsed_ : described_sql_;
      op_.label += " " + sql_one_line(sql, 192);
      if (!described_cursor_.empty()) {  // opened by DECLARE
        op_.label += "cursor " + printable(described_cursor_, 80);
        op_.leaves.push_back({"cursor", described_cursor_, LeafForm::kText, LeafClass::kIdentity});
      } else {
        op_.leaves.push_back({"sql", sql, LeafForm::kSql, LeafClass::kIdentity});
      }
      return std::move(op_);
    }
    if (closed_) return simple("CLOSE", Effect::kRead, Tier::kSetup);
    return simple("SYNC", Effect::kRead, Tier::kHeartbeat);
  }

 private:
  std::string prefix(const char* what) const {
    return executes_ == 1 ? what : fmt::format("{}[{}]", what, executes_ - 1);
  }

  void add(SqlTraits traits, ByteView sql) {
    traits_ = traits_ ? sql_merge(*traits_, traits) : traits;
    if (op_.label.size() < 300) op_.label += (op_.label.empty() ? "" : "; ") + sql_one_line(sql);
    op_.leaves.push_back({prefix("sql"), Bytes(sql), LeafForm::kSql, LeafClass::kIdentity});
    if (iequals(trim(sql), "deallocate all") || iequals(trim(sql), "discard all"))
      names_.forget_statements();
  }
  void query(ByteView sql) {
    ++executes_;
    queried_ = executes_ == 1;
    add(sql_traits(sql, SqlDialect::kPostgres), sql);
  }
  void execute(ByteView portal, uint32_t limit) {
    ++executes_;
    const Portal* p = names_.portal(portal);
    if (p == nullptr || !p->known) {
      add({Effect::kUnknown, Tier::kCall}, {});
      op_.label += "EXECUTE of a statement prepared before the recording";
    } else {
      add(sql_traits(p->sql, SqlDialect::kPostgres), p->sql);
    }
    if (p == nullptr) return;
    for (size_t i = 0; i < p->params.size(); ++i) {
      Leaf leaf = p->params[i];
      leaf.path = prefix("param") + "." + leaf.path;
      if (op_.label.size() < 300) {
        op_.label += (i == 0 ? " [" : ", ") +
                     (leaf.form == LeafForm::kNull ? "NULL" : printable(leaf.text, 40));
      }
      op_.leaves.push_back(std::move(leaf));
    }
    if (!p->params.empty()) op_.label += ']';
    op_.leaves.push_back(
        {prefix("result_format"), p->result_formats, LeafForm::kText, LeafClass::kContext});
    if (limit != 0)
      op_.leaves.push_back(
          {prefix("row_limit"), fmt::format("{}", limit), LeafForm::kNumber, LeafClass::kContext});
  }
  void describe(bool portal, ByteView name) {
    described_ = true;
    name = without_zero(name);
    if (portal) {
      const Portal* p = names_.portal(name);
      if (p != nullptr) {
        described_sql_ = p->sql;
      } else {
        described_cursor_ = Bytes(name);
      }
    } else if (const Statement* s = names_.statement(name)) {
      described_sql_ = s->sql;
    }
  }
  Operation copy_data() const {
    Operation op = simple(copy_failed_ ? "COPY_FAIL" : "COPY_DATA", Effect::kWrite, Tier::kCall);
    op.label += fmt::format(", {} bytes", copy_);
    return op;
  }

  Names& names_;
  Operation op_;
  std::optional<SqlTraits> traits_;
  Bytes last_parsed_;
  Bytes described_sql_;
  Bytes described_cursor_;
  size_t executes_ = 0;
  uint64_t copy_ = 0;
  bool parsed_ = false, bound_ = false, described_ = false, closed_ = false, queried_ = false;
  bool copied_ = false, copy_failed_ = false, function_ = false;
};

}  // namespace

void Names::parse(ByteView name, Statement statement) {
  close('S', name);
  if (kept_ + weight(statement) > kStatementBytes) return;
  kept_ += weight(statement);
  statements_[std::string(name)] = std::move(statement);
}

const Statement* Names::statement(ByteView name) const {
  const auto it = statements_.find(std::string(name));
  return it == statements_.end() ? nullptr : &it->second;
}

void Names::described(ByteView name, std::vector<uint32_t> types) {
  const auto it = statements_.find(std::string(name));
  if (it == statements_.end()) return;
  kept_ -= weight(it->second);
  it->second.types = std::move(types);
  kept_ += weight(it->second);
}

void Names::bind(ByteView name, Portal portal) {
  close('P', name);
  if (portals_kept_ + weight(portal) > kPortalBytes) {
    portals_.clear();  // they end with the transaction anyhow
    portals_kept_ = 0;
    if (weight(portal) > kPortalBytes) portal.params.clear();
    if (weight(portal) > kPortalBytes) return;
  }
  portals_kept_ += weight(portal);
  portals_[std::string(name)] = std::move(portal);
}

const Portal* Names::portal(ByteView name) const {
  const auto it = portals_.find(std::string(name));
  return it == portals_.end() ? nullptr : &it->second;
}

void Names::close(char kind, ByteView name) {
  if (kind == 'S') {
    const auto it = statements_.find(std::string(name));
    if (it == statements_.end()) return;
    kept_ -= weight(it->second);
    statements_.erase(it);
  } else if (const auto it = portals_.find(std::string(name)); it != portals_.end()) {
    portals_kept_ -= weight(it->second);
    portals_.erase(it);
  }
}

void Names::forget_statements() {
  statements_.clear();
  kept_ = 0;
}

Operation decode_unit(ByteView bytes, Names& names) {
  Unit unit(names);
  std::optional<Walk> walk(bytes);
  bool copied = false;
  Bytes data;
  while (walk->next()) {
    const Msg& m = walk->msg();
    if (m.type == 'p') {
      Operation op = simple("PASSWORD", Effect::kRead, Tier::kHandshake);
      op.label = "login, continued";
      return op;
    }
    if (m.type == 'X') return simple("TERMINATE", Effect::kRead, Tier::kSetup);
    if (m.type == 'd') {
      copied = true;
      data.append(m.body);
    }
    unit.message(m);
  }
  Operation op = unit.take();
  if (copied)
    op.leaves.push_back({"data", std::move(data), LeafForm::kBinary, LeafClass::kPayload});
  if (op.verb == "FUNCTION_CALL")
    op.leaves.push_back({"arguments", Bytes(bytes), LeafForm::kBinary, LeafClass::kIdentity});
  return op;
}

Operation decode_startup(ByteView message) {
  if (message.size() < 8) return simple("STARTUP", Effect::kRead, Tier::kHandshake);
  const uint32_t code = be32(message, 4);
  if (code == kSslCode) return simple("SSL_REQUEST", Effect::kRead, Tier::kHandshake);
  if (code == kGssCode) return simple("GSSENC_REQUEST", Effect::kRead, Tier::kHandshake);
  if (code == kCancelCode) return simple("CANCEL", Effect::kRead, Tier::kHandshake);
  Operation op = simple("STARTUP", Effect::kRead, Tier::kHandshake);
  op.label = "login";
  Reader r(message.substr(8));
  while (r.ok() && r.left() > 1) {
    const Bytes key(r.zero_terminated());
    const Bytes value(r.zero_terminated());
    if (!r.ok() || key.empty()) break;
    const bool identity = key == "user" || key == "database";
    if (identity) op.label += (key == "user" ? " as " : ", database ") + printable(value, 80);
    op.leaves.push_back(
        {key, value, LeafForm::kText, identity ? LeafClass::kIdentity : LeafClass::kContext});
  }
  return op;
}

}  // namespace reprise::wire::postgres
