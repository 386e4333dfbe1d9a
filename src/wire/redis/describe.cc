#include "wire/redis/describe.h"

#include <algorithm>

#include "wire/http_fields.h"
#include "wire/redis/commands.h"

namespace reprise::wire::redis {

namespace {

// Past these the rest of a reply is one leaf of bytes: paths must not outgrow the reply they name.
constexpr size_t kMaxLeaves = 1 << 16;
constexpr size_t kMaxPath = 512;
constexpr size_t kMaxLabel = 80;

LeafForm form_of(ByteView text) {
  if (text.empty()) return LeafForm::kText;
  // A cached document: value/ shall look into it.
  if ((text.front() == '{' && text.back() == '}') || (text.front() == '[' && text.back() == ']')) {
    return LeafForm::kBody;
  }
  const bool binary = std::any_of(text.begin(), text.end(), [](char c) {
    return uint8_t(c) < 0x20 && c != '\n' && c != '\r' && c != '\t';
  });
  return binary ? LeafForm::kBinary : LeafForm::kText;
}

class ReplyWalk {
 public:
  ReplyWalk(ByteView reply, Leaves& leaves) : reader_(reply), leaves_(leaves) {}

  // One value with all that is inside. flat_map: an array at this level is field, value, field ...
  void value(const std::string& path, bool flat_map, size_t depth) {
    Item item;
    const ByteView before = reader_.rest();
    if (stopped_) return;
    if (!reader_.next(item)) {
      stopped_ = true;
      return;
    }
    if (item.type == '|') {  // an attribute: shown beside the value
      attributes(path, item, depth);
      return value(path, flat_map, depth + 1);
    }
    if (leaves_.size() >= kMaxLeaves || path.size() > kMaxPath || depth > kMaxDepth) {
      stopped_ = true;
      leaves_.push_back({"value.rest", Bytes(before), LeafForm::kBinary, LeafClass::kIdentity});
      return;
    }
    if (!item.is_aggregate() || item.count < 0) return scalar(path, item);
    const bool map = item.type == '%' || (flat_map && item.type == '*' && item.count % 2 == 0);
    if (item.count == 0) {
      leaves_.push_back({path, map ? "{}" : "[]", LeafForm::kText, LeafClass::kIdentity});
      return;
    }
    for (int64_t i = 0; i < item.count && !stopped_ && !reader_.rest().empty(); ++i) {
      if (!map) {
        value(path + '[' + std::to_string(i) + ']', false, depth + 1);
        continue;
      }
      Item key;
      const ByteView rest = reader_.rest();
      if (!reader_.next(key) || key.is_aggregate()) {
        stopped_ = true;
        leaves_.push_back({"value.rest", Bytes(rest), LeafForm::kBinary, LeafClass::kIdentity});
        return;
      }
      value(names_.unique(path + '.' + printable(key.text, 64)), false, depth + 1);
      ++i;
    }
  }
  bool error() const { return error_; }

 private:
  void attributes(const std::string& path, const Item& item, size_t depth) {
    for (int64_t i = 0; i < item.count && !stopped_ && !reader_.rest().empty(); ++i) {
      value(path + ".attribute[" + std::to_string(i) + ']', false, depth + 1);
    }
  }

  void scalar(const std::string& path, const Item& item) {
    Leaf leaf{path, Bytes(item.text), LeafForm::kText, LeafClass::kIdentity};
    if (item.is_null()) {
      leaf.form = LeafForm::kNull;
      leaf.text.clear();
    } else if (item.type == ':' || item.type == '(') {
      leaf.form = LeafForm::kNumber;
    } else if (item.type == ',') {
      const bool special = item.text.find_first_of("in") != ByteView::npos;  // inf, nan
      leaf.form = special ? LeafForm::kText : LeafForm::kNumber;
    } else if (item.type == '#') {
      leaf.text = item.text == "t" ? "true" : "false";
    } else if (item.type == '=') {
      leaf.text = Bytes(item.text.substr(std::min<size_t>(4, item.text.size())));  // "txt:"
    } else if (item.type == '$') {
      leaf.form = form_of(item.text);
    }
    error_ = error_ || (leaves_.empty() && (item.type == '-' || item.type == '!'));
    leaves_.push_back(std::move(leaf));
  }

  Reader reader_;
  Leaves& leaves_;
  LeafNames names_;
  bool stopped_ = false;
  bool error_ = false;
};

}  // namespace

Operation describe_command(const std::vector<Bytes>& words) {
  Operation op;
  size_t used = 0;
  op.verb = verb_of(words, used);
  op.label = op.verb;
  const CommandInfo* info = find_command(op.verb);
  if (info != nullptr) {
    op.effect = info->effect;
    op.tier = info->tier;
  }
  for (size_t i = used; i < words.size(); ++i) {
    const char cls = info == nullptr ? 'i' : arg_class(info->args, i - used);
    if (cls == 's') {
      if (i == used || info->args[0] != 's') op.label += " ***";
      break;
    }
    if (op.label.size() < kMaxLabel) {
      op.label += ' ' + printable(words[i], kMaxLabel - op.label.size());
    }
    Leaf leaf{"arg." + std::to_string(i - used), words[i], form_of(words[i]), LeafClass::kIdentity};
    if (cls == 'v') leaf.cls = LeafClass::kPayload;
    if (cls == 'c') leaf.cls = LeafClass::kContext;
    if (cls == 'i' && leaf.form == LeafForm::kBody) leaf.form = LeafForm::kText;
    op.leaves.push_back(std::move(leaf));
  }
  return op;
}

Answer describe_reply(ByteView, const Operation& operation, ByteView reply) {
  Answer a;
  ReplyWalk walk(reply, a.leaves);
  walk.value("value", operation.verb == "HGETALL" || operation.verb == "CONFIG GET", 0);
  a.error = walk.error();
  Reader reader(reply);
  Item item;
  if (!reader.next(item)) {
    a.label = "no RESP: " + printable(reply, 60);
    a.error = true;
    a.leaves.push_back({"value", Bytes(reply), LeafForm::kBinary, LeafClass::kIdentity});
  } else if (item.is_null()) {
    a.label = "null";
  } else if (item.is_aggregate()) {
    const bool pairs = item.type == '%' || item.type == '|';
    a.label =
        std::to_string(pairs ? item.count / 2 : item.count) + (pairs ? " pairs" : " elements");
  } else if (item.type == '$' || item.type == '=') {
    const size_t format = item.type == '=' ? 4 : 0;  // "txt:"
    a.label = '"' + printable(item.text.substr(std::min(format, item.text.size())), 60) + '"';
  } else if (item.type == '!') {
    a.label = '-' + printable(item.text, 100);
  } else {
    a.label = item.type + printable(item.text, 100);
  }
  return a;
}

}  // namespace reprise::wire::redis
