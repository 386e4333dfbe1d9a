#include "wire/mysql/describe.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "wire/mysql/values.h"
#include "wire/sql_words.h"

namespace reprise::wire::mysql {

namespace {

constexpr size_t kMaxRows = 1000;  // shown one by one; the rest is a digest
constexpr size_t kMaxLeaves = 50000;

class Description {
 public:
  // known: the columns as the request carries them, for answers without definitions.
  Description(bool binary, const Leaf* known) : binary_(binary), known_(known) { assume_known(); }

  void part(Part part, ByteView payload) {
    switch (part) {
      case Part::kOk:
        ok(payload);
        break;
      case Part::kErr:
        error(payload);
        break;
      case Part::kColumnCount:
        begin_result();
        break;
      case Part::kColumnDef:
        column(payload);
        break;
      case Part::kRow:
        row(payload);
        break;
      case Part::kRowsEnd:
        end_result();
        break;
      case Part::kPrepareOk:
        add_label(
            fmt::format("prepared, {} parameters", payload.size() >= 9 ? le16(payload, 7) : 0));
        break;
      case Part::kLocalInfile:
        add_label("asks for file " + printable(payload.substr(1), 80));
        leaf("infile", Bytes(payload.substr(1)), LeafForm::kText, LeafClass::kIdentity);
        break;
      case Part::kAuthSwitch:
        add_label("login: switch to " +
                  printable(ByteView(payload.substr(1)).substr(0, payload.find('\0', 1) - 1), 60));
        break;
      case Part::kAuthMore:
        add_label("login: more");
        break;
      case Part::kOther:
        add_label(printable(payload, 100));
        leaf("text", Bytes(payload), LeafForm::kText, LeafClass::kContext);
        break;
      case Part::kProgress:
      case Part::kParamDef:
      case Part::kDefsEnd:
        break;
    }
  }

  Answer take(bool complete) {
    if (rows_open_) end_result();
    if (!complete) add_label("incomplete");
    return std::move(answer_);
  }

 private:
  std::string prefix() const { return results_ == 0 ? "" : fmt::format("result[{}].", results_); }
  void add_label(const std::string& text) {
    if (answer_.label.size() > 300) return;
    answer_.label += (answer_.label.empty() ? "" : "; ") + text;
  }
  void leaf(std::string_view path, Bytes text, LeafForm form, LeafClass cls) {
    if (answer_.leaves.size() < kMaxLeaves)
      answer_.leaves.push_back({prefix() + std::string(path), std::move(text), form, cls});
  }

  void ok(ByteView payload) {
    const OkFields f = parse_ok(payload);
    add_label(fmt::format("OK, {} affected", f.affected));
    leaf("affected_rows", fmt::format("{}", f.affected), LeafForm::kNumber, LeafClass::kIdentity);
    leaf("last_insert_id", fmt::format("{}", f.last_insert_id), LeafForm::kNumber,
         LeafClass::kIdentity);
    if (f.warnings > 0)
      leaf("warnings", fmt::format("{}", f.warnings), LeafForm::kNumber, LeafClass::kContext);
    ++results_;
  }
  void error(ByteView payload) {
    const ErrFields f = parse_err(payload);
    answer_.error = true;
    add_label(fmt::format("ERR {} {}", f.code, sql_one_line(f.message)));
    leaf("error.code", fmt::format("{}", f.code), LeafForm::kNumber, LeafClass::kIdentity);
    leaf("error.state", Bytes(f.state), LeafForm::kText, LeafClass::kIdentity);
    leaf("error.message", Bytes(f.message), LeafForm::kText, LeafClass::kIdentity);
  }
  void assume_known() {
    if (known_ == nullptr) return;
    for (const Column& c : read_columns(known_->text)) add_column(c);
  }
  void begin_result() {
    columns_.clear();
    names_.clear();
    rows_ = 0;
    rows_open_ = true;
    defined_ = false;
    rest_ = {};
    assume_known();
  }
  void column(ByteView payload) {
    if (!defined_) {
      defined_ = true;
      columns_.clear();
      names_.clear();
    }
    add_column(parse_column(payload));
  }
  void add_column(const Column& c) {
    std::string name(c.name);
    for (size_t i = 0; i < names_.size() && i < 64; ++i) {
      if (names_[i] == name) {
        name += fmt::format("#{}", names_.size());
        break;
      }
    }
    names_.push_back(std::move(name));
    columns_.push_back(c.type);
  }
  void row(ByteView payload) {
    rows_open_ = true;
    if (++rows_ > kMaxRows || answer_.leaves.size() >= kMaxLeaves) {
      if (!rest_) rest_.emplace();
      rest_->add(payload);
      return;
    }
    if (columns_.empty()) {  // cached metadata, or a fetch: the definitions are elsewhere
      leaf(fmt::format("row[{}]", rows_ - 1), Bytes(payload), LeafForm::kBinary,
           LeafClass::kIdentity);
      return;
    }
    Reader r(payload);
    const size_t count = columns_.size();
    ByteView nulls;
    if (binary_) {
      r.integer(1);
      nulls = r.take((count + 9) / 8);
    }
    for (size_t i = 0; i < count && r.ok() && answer_.leaves.size() < kMaxLeaves; ++i) {
      Leaf l{fmt::format("{}row[{}].{}", prefix(), rows_ - 1, names_[i]),
             {},
             LeafForm::kNull,
             LeafClass::kIdentity};
      if (binary_) {
        if (!r.ok()) break;
        if ((u8(nulls, (i + 2) / 8) >> ((i + 2) % 8) & 1) == 0) read_binary(r, columns_[i], l);
      } else if (r.left() > 0 && u8(r.rest(), 0) == 0xfb) {
        r.integer(1);
      } else {
        l.text = Bytes(r.lenenc_string());
        l.form = text_form(columns_[i]);
      }
      answer_.leaves.push_back(std::move(l));
    }
  }
  void end_result() {
    if (!rows_open_) return add_label("OK");
    add_label(fmt::format("{} row{}", rows_, rows_ == 1 ? "" : "s"));
    leaf("rows", fmt::format("{}", rows_), LeafForm::kNumber, LeafClass::kIdentity);
    if (rest_) {
      answer_.leaves.push_back(
          {prefix() + "rows.rest", rest_->hex(), LeafForm::kText, LeafClass::kIdentity});
      rest_.reset();
    }
    rows_open_ = false;
    ++results_;
  }

  bool binary_;
  const Leaf* known_;
  bool defined_ = false;  // by the answer itself
  Answer answer_;
  std::vector<ColumnType> columns_;
  std::vector<std::string> names_;
  std::optional<Digest> rest_;
  size_t rows_ = 0;
  size_t results_ = 0;
  bool rows_open_ = false;
};

}  // namespace

Shape shape_of_request(ByteView request, const Operation& operation) {
  if (operation.verb == "LOCAL_INFILE") return Shape::kResults;
  if (request.size() >= 5) return u8(request, 3) == 0 ? shape_of(u8(request, 4)) : Shape::kAuth;
  if (operation.tier == Tier::kHandshake) return Shape::kAuth;
  if (operation.verb == "PREPARE") return Shape::kPrepare;
  if (operation.verb == "STMT_FETCH") return Shape::kFetch;
  if (operation.verb == "STATISTICS") return Shape::kOne;
  if (operation.verb == "FIELD_LIST") return Shape::kFieldList;
  const bool results = operation.verb == "QUERY" || operation.verb.starts_with("EXECUTE") ||
                       operation.verb == "PROCESS_INFO";
  return results ? Shape::kResults : Shape::kSimple;
}

Answer describe_answer(ByteView request, const Operation& operation, ByteView answer) {
  AnswerShape shape(shape_of_request(request, operation), std::nullopt);
  Description d(operation.verb.starts_with("EXECUTE") || operation.verb == "STMT_FETCH",
                find_leaf(operation.leaves, "columns"));
  Walk walk(answer);
  while (!shape.done() && !shape.broken() && walk.next()) {
    const Part part = shape.packet(walk.payload(), walk.payload().size());
    if (!shape.broken()) d.part(part, walk.payload());
  }
  return d.take(shape.done() || shape.maybe_done());
}

}  // namespace reprise::wire::mysql
