#include "wire/postgres/pg_describe.h"

#include <fmt/format.h>

#include <optional>

#include "base/hash.h"
#include "wire/postgres/pg_messages.h"
#include "wire/sql_words.h"

namespace reprise::wire::postgres {

namespace {

constexpr size_t kMaxRows = 1000;  // shown one by one; the rest is a digest
constexpr size_t kMaxLeaves = 50000;

struct Column {
  std::string name;
  uint32_t oid = 0;
  unsigned format = 0;
};

class Description {
 public:
  explicit Description(const Operation& operation) : operation_(operation) {}

  void message(const Msg& m) {
    switch (m.type) {
      case 'R': {
        const uint32_t code = m.body.size() >= 4 ? be32(m.body, 0) : 0;
        if (code != 12) add_label(code == 0 ? "login OK" : fmt::format("login: method {}", code));
        break;
      }
      case 'S':
        parameter(m.body);
        break;
      case 'T':
        columns(m.body);
        break;
      case 'n':
        columns_.clear();
        break;
      case 'D':
        row(m.body);
        break;
      case 'C':
        end_result(Bytes(m.body.substr(0, m.body.find('\0'))));
        break;
      case 's':
        end_result("suspended");
        break;
      case 'I':
        end_result("empty query");
        break;
      case 'E':
        error(m.body);
        break;
      case 'G':
        add_label("copy in");
        break;
      case 'd':
        copy(m.body);
        break;
      case '1':
        parsed_ = true;
        break;
      case 'Z':
        if (!m.body.empty()) aside("transaction", Bytes(m.body.substr(0, 1)));
        break;
      default:
        break;
    }
  }

  Answer take() {
    if (answer_.label.empty()) answer_.label = parsed_ ? "prepared" : "OK";
    return std::move(answer_);
  }

 private:
  std::string prefix() const { return results_ == 0 ? "" : fmt::format("result[{}].", results_); }
  void add_label(const std::string& text) {
    if (answer_.label.size() < 300) answer_.label += (answer_.label.empty() ? "" : "; ") + text;
  }
  void leaf(std::string_view path, Bytes text, LeafForm form, LeafClass cls) {
    if (answer_.leaves.size() < kMaxLeaves)
      answer_.leaves.push_back({prefix() + std::string(path), std::move(text), form, cls});
  }
  // Says something of the session, not of a result.
  void aside(std::string path, Bytes text) {
    if (answer_.leaves.size() >= kMaxLeaves) return;
    answer_.leaves.push_back(
        {std::move(path), std::move(text), LeafForm::kText, LeafClass::kContext});
  }
  void parameter(ByteView body) {
    Reader r(body);
    const Bytes key(r.zero_terminated());
    aside("parameter." + key, Bytes(r.zero_terminated()));
  }
  void columns(ByteView body) {
    columns_.clear();
    Reader r(body);
    const unsigned count = r.int16();
    for (unsigned i = 0; i < count && r.ok(); ++i) {
      Column c;
      c.name = Bytes(r.zero_terminated());
      r.take(4 + 2);
      c.oid = r.int32();
      r.take(2 + 4);
      c.format = r.int16();
      for (size_t k = 0; k < columns_.size() && k < 64; ++k) {
        if (columns_[k].name == c.name) {
          c.name += fmt::format("#{}", i);
          break;
        }
      }
      if (r.ok()) columns_.push_back(std::move(c));
    }
  }
  // A statement that was described before: only the formats that Bind asked for are known.
  Column undescribed(unsigned i) const {
    const std::string path =
        results_ == 0 ? "result_format" : fmt::format("result_format[{}]", results_);
    const Leaf* formats = find_leaf(operation_.leaves, path);
    Column c{fmt::format("{}", i), 0, 0};
    if (formats == nullptr || formats->text.empty()) return c;
    const size_t at = formats->text.size() == 1 ? 0 : std::min<size_t>(i, formats->text.size() - 1);
    c.format = formats->text[at] == '1' ? 1 : 0;
    return c;
  }
  void row(ByteView body) {
    if (++rows_ > kMaxRows || answer_.leaves.size() >= kMaxLeaves) return rest(body);
    Reader r(body);
    const unsigned count = r.int16();
    for (unsigned i = 0; i < count && r.ok() && answer_.leaves.size() < kMaxLeaves; ++i) {
      const Column c = i < columns_.size() ? columns_[i] : undescribed(i);
      Leaf l{fmt::format("{}row[{}].{}", prefix(), rows_ - 1, c.name),
             {},
             LeafForm::kNull,
             LeafClass::kIdentity};
      const uint32_t length = r.int32();
      if (!r.ok()) break;
      if (length != 0xffffffff) read_value(r.take(length), c.oid, c.format, l);
      answer_.leaves.push_back(std::move(l));
    }
  }
  void rest(ByteView body) {
    if (!rest_) rest_.emplace();
    rest_->add(body);
  }
  void copy(ByteView body) {
    if (++copied_ > kMaxRows) return rest(body);
    leaf(fmt::format("copy[{}]", copied_ - 1), Bytes(body), LeafForm::kBinary,
         LeafClass::kIdentity);
  }
  // "SELECT 3", "INSERT 0 1", "CREATE TABLE"
  void end_result(const std::string& tag) {
    const size_t blank = tag.rfind(' ');
    const bool counted = blank != std::string::npos &&
                         tag.find_first_not_of("0123456789", blank + 1) == std::string::npos;
    const bool returns_rows = rows_ > 0 || tag.starts_with("SELECT") || tag.starts_with("FETCH");
    if (returns_rows) {
      add_label(fmt::format("{} row{}", rows_, rows_ == 1 ? "" : "s"));
      leaf("rows", fmt::format("{}", rows_), LeafForm::kNumber, LeafClass::kIdentity);
    }
    if (!returns_rows) {
      add_label(counted ? "OK, " + tag.substr(blank + 1) + " affected" : "OK, " + tag);
    }
    leaf("tag", tag, LeafForm::kText, LeafClass::kIdentity);
    if (counted && !returns_rows)
      leaf("affected_rows", tag.substr(blank + 1), LeafForm::kNumber, LeafClass::kIdentity);
    if (rest_) {
      answer_.leaves.push_back(
          {prefix() + "rows.rest", rest_->hex(), LeafForm::kText, LeafClass::kIdentity});
      rest_.reset();
    }
    rows_ = copied_ = 0;
    columns_.clear();
    ++results_;
  }
  void error(ByteView body) {
    answer_.error = true;
    Reader r(body);
    std::string code;
    std::string message;
    while (r.left() > 1 && r.ok()) {
      const char field = static_cast<char>(r.byte());
      const Bytes value(r.zero_terminated());
      if (field == 'C') code = value;
      if (field == 'M') message = value;
      const char* path = field == 'C'   ? "error.code"
                         : field == 'M' ? "error.message"
                         : field == 'D' ? "error.detail"
                         : field == 'V' ? "error.severity"
                                        : nullptr;
      if (path != nullptr) leaf(path, value, LeafForm::kText, LeafClass::kIdentity);
    }
    add_label("ERR " + code + " " + sql_one_line(message));
  }

  const Operation& operation_;
  Answer answer_;
  std::vector<Column> columns_;
  std::optional<Digest> rest_;
  size_t rows_ = 0;
  size_t copied_ = 0;
  size_t results_ = 0;
  bool parsed_ = false;
};

}  // namespace

Answer describe_answer(ByteView, const Operation& operation, ByteView answer) {
  if (answer.size() == 1) {
    Answer a;
    a.label = answer == "N" ? "no encryption" : "encryption";
    a.leaves.push_back({"answer", Bytes(answer), LeafForm::kText, LeafClass::kContext});
    return a;
  }
  Description d(operation);
  for (Walk w(answer); w.next();) d.message(w.msg());
  return d.take();
}

}  // namespace reprise::wire::postgres
