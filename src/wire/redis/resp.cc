#include "wire/redis/resp.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace reprise::wire::redis {

namespace {

constexpr int64_t kMaxCount = int64_t{1} << 40;
constexpr size_t kLengthDigits = 32;  // longer lines hold no length

std::optional<int64_t> parse_count(ByteView line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  int64_t value = 0;
  const auto [end, ec] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (ec != std::errc() || end != line.data() + line.size() || value < -1 || value > kMaxCount) {
    return std::nullopt;
  }
  return value;
}

bool has_bulk(char type) { return type == '$' || type == '=' || type == '!'; }
bool has_elements(char type) {
  return type == '*' || type == '%' || type == '~' || type == '>' || type == '|';
}

// As sdssplitargs() of redis-server: "..." with escapes, '...', words between blanks.
std::vector<Bytes> split_inline(ByteView line) {
  std::vector<Bytes> words;
  size_t i = 0;
  const auto blank = [](char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0;
  };
  while (i < line.size()) {
    if (blank(line[i])) {
      ++i;
      continue;
    }
    Bytes word;
    char quote = 0;
    for (; i < line.size() && (quote != 0 || !blank(line[i])); ++i) {
      const char c = line[i];
      if (quote == 0 && (c == '"' || c == '\'')) {
        quote = c;
      } else if (quote != 0 && c == quote) {
        quote = 0;
      } else if (quote != 0 && c == '\\' && i + 1 < line.size()) {
        const char e = line[++i];
        word.push_back(e == 'n' ? '\n' : e == 'r' ? '\r' : e == 't' ? '\t' : e);
      } else {
        word.push_back(c);
      }
    }
    words.push_back(std::move(word));
  }
  return words;
}

}  // namespace

void Framer::fail(const char* reason) {
  state_ = State::kFault;
  reason_ = reason;
}

void Framer::restart() {
  state_ = State::kMore;
  step_ = Step::kType;
  nothing_ = false;
  remaining_.clear();
}

bool Framer::skip(uint64_t n) {
  if (step_ != Step::kBulk || n > bulk_left_) return false;
  bulk_left_ -= n;
  if (bulk_left_ == 0) step_ = Step::kBulkEnd;
  return true;
}

size_t Framer::consume(ByteView bytes) {
  size_t used = 0;
  while (used < bytes.size() && state_ == State::kMore) {
    switch (step_) {
      case Step::kType:
        if (!start_element(bytes[used])) return used;
        ++used;
        break;
      case Step::kLine:
      case Step::kInline: {
        const size_t lf = bytes.find('\n', used);
        const ByteView part = bytes.substr(used, lf == ByteView::npos ? lf : lf - used);
        const size_t limit = step_ == Step::kInline ? kMaxInline : kMaxLine;
        const bool text = type_ == '+' || type_ == '-' || type_ == '(' || step_ == Step::kInline;
        if (line_bytes_ + part.size() > (text ? limit : kLengthDigits)) {
          fail(text ? "line too long" : "bad length");
          return used;
        }
        line_.append(part.substr(0, kLengthDigits - std::min(kLengthDigits, line_.size())));
        line_bytes_ += part.size();
        used += part.size();
        if (lf == ByteView::npos) break;
        line_done();
        if (state_ != State::kFault) ++used;
        break;
      }
      case Step::kBulk: {
        const size_t n = size_t(std::min<uint64_t>(bulk_left_, bytes.size() - used));
        used += n;
        skip(n);
        break;
      }
      case Step::kBulkEnd:
        if (bytes[used] != (end_left_ == 2 ? '\r' : '\n')) {
          fail("no line end behind a bulk string");
          return used;
        }
        ++used;
        if (--end_left_ == 0) element_done();
        break;
    }
  }
  return used;
}

bool Framer::start_element(char type) {
  type_ = type;
  line_.clear();
  line_bytes_ = 0;
  step_ = Step::kLine;
  if (client_ && remaining_.empty() && type != '*') {
    // Commands are words; a binary protocol shall not be collected as one long line.
    if (uint8_t(type) < 0x20 && type != '\r' && type != '\n' && type != '\t') {
      return fail("no Redis command"), false;
    }
    step_ = Step::kInline;
    if (type == '\n') {
      nothing_ = true;
      state_ = State::kDone;
    } else {
      line_.push_back(type);
      line_bytes_ = 1;
    }
    return true;
  }
  if (client_) {
    const bool fits = remaining_.empty() ? type == '*' : type == '$';
    return fits || (fail("no bulk string in a command"), false);
  }
  if (ByteView("+-:_#,(").find(type) != ByteView::npos || has_bulk(type) || has_elements(type)) {
    return true;
  }
  return fail("no RESP type"), false;
}

void Framer::line_done() {
  if (step_ == Step::kInline) {
    nothing_ =
        line_bytes_ <= kLengthDigits && trim(line_).find_first_not_of('\r') == ByteView::npos;
    state_ = State::kDone;
    return;
  }
  if (!has_bulk(type_) && !has_elements(type_)) return element_done();
  const auto count = parse_count(line_);
  if (!count) return fail("bad length");
  if (client_ && type_ == '$' && *count < 0) return fail("bad length");
  if (has_bulk(type_)) {
    if (*count < 0) return element_done();
    bulk_left_ = uint64_t(*count);
    end_left_ = 2;
    step_ = bulk_left_ > 0 ? Step::kBulk : Step::kBulkEnd;
    return;
  }
  if (client_ && *count <= 0) nothing_ = true;
  const bool pairs = type_ == '%' || type_ == '|';
  uint64_t elements = *count < 0 ? 0 : uint64_t(*count) * (pairs ? 2 : 1);
  if (type_ == '|') ++elements;  // an attribute stands in front of the value that it describes
  open(elements);
}

void Framer::open(uint64_t count) {
  if (count == 0) return element_done();
  if (remaining_.size() >= kMaxDepth) return fail("nested too deep");
  remaining_.push_back(count);
  step_ = Step::kType;
}

void Framer::element_done() {
  step_ = Step::kType;
  while (!remaining_.empty() && --remaining_.back() == 0) remaining_.pop_back();
  if (remaining_.empty()) state_ = State::kDone;
}

bool Item::is_aggregate() const { return has_elements(type); }
bool Item::is_null() const { return type == '_' || count < 0; }

bool Reader::next(Item& item) {
  if (rest_.empty()) return false;
  const size_t lf = rest_.find('\n');
  if (lf == ByteView::npos) return false;
  item = {};
  item.type = rest_[0];
  ByteView line = rest_.substr(1, lf - 1);
  if (lf == 0) return false;
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (!has_bulk(item.type) && !has_elements(item.type)) {
    item.text = line;
    rest_.remove_prefix(lf + 1);
    return true;
  }
  const auto count = parse_count(line);
  if (!count) return false;
  rest_.remove_prefix(lf + 1);
  if (has_elements(item.type)) {
    item.count = *count > 0 && (item.type == '%' || item.type == '|') ? *count * 2 : *count;
    return true;
  }
  item.count = std::min<int64_t>(*count, 0);
  if (*count < 0) return true;
  item.text = rest_.substr(0, size_t(*count));
  rest_.remove_prefix(std::min<size_t>(rest_.size(), size_t(*count) + 2));
  return true;
}

std::vector<Bytes> parse_command(ByteView bytes) {
  while (!bytes.empty()) {
    if (bytes[0] != '*') {
      const size_t lf = bytes.find('\n');
      std::vector<Bytes> words = split_inline(bytes.substr(0, lf));
      if (!words.empty() || lf == ByteView::npos) return words;
      bytes.remove_prefix(lf + 1);
      continue;
    }
    Reader reader(bytes);
    Item item;
    if (!reader.next(item)) return {};
    if (item.count > 0) {
      std::vector<Bytes> words;
      for (int64_t left = item.count; left > 0; --left) {
        Item word;
        if (!reader.next(word)) break;
        words.emplace_back(word.text);
      }
      return words;
    }
    bytes = reader.rest();
  }
  return {};
}

void put_bulk(Bytes& out, ByteView text) {
  out += '$' + std::to_string(text.size()) + "\r\n";
  out.append(text).append("\r\n");
}

}  // namespace reprise::wire::redis
