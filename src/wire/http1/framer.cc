#include "wire/http1/framer.h"

#include <algorithm>
#include <charconv>

namespace reprise::wire::http1 {

namespace {

constexpr size_t kMaxMethod = 32;
constexpr uint64_t kMaxLength = uint64_t{1} << 60;

bool is_token_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "HTTP/1.x" at the start of text.
bool is_version(std::string_view text) {
  return text.size() >= 8 && text.substr(0, 7) == "HTTP/1." && is_digit(text[7]);
}

// True while a start line may begin like this: garbage must not be collected up to kMaxHead.
bool plausible_start(std::string_view text, bool response) {
  if (response) {
    const std::string_view want = "HTTP/1.";
    const size_t n = std::min(text.size(), want.size());
    return text.substr(0, n) == want.substr(0, n);
  }
  for (size_t i = 0; i < text.size() && i <= kMaxMethod; ++i) {
    if (text[i] == ' ') return i > 0;
    if (text[i] == '\r' && i == 0) return true;  // the empty line in flight
    if (!is_token_char(text[i])) return false;
  }
  return text.size() <= kMaxMethod;
}

bool parse_start_line(std::string_view line, Head& head) {
  if (is_version(line)) {
    if (line.size() < 12 || line[8] != ' ') return false;
    for (size_t i = 9; i < 12; ++i) {
      if (!is_digit(line[i])) return false;
      head.status = head.status * 10 + (line[i] - '0');
    }
    if (head.status < 100 || (line.size() > 12 && line[12] != ' ')) return false;
    head.response = true;
    head.minor = line[7] - '0';
    head.reason = trim(line.substr(12));
    return true;
  }
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == 0 || first > kMaxMethod || last <= first + 1) {
    return false;
  }
  if (!std::all_of(line.begin(), line.begin() + long(first), is_token_char)) return false;
  const std::string_view version = line.substr(last + 1);
  if (version.size() != 8 || !is_version(version)) return false;
  head.minor = version[7] - '0';
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  return true;
}

std::optional<uint64_t> parse_length(std::string_view text) {
  uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || value > kMaxLength)
    return std::nullopt;
  return value;
}

// Transfer-Encoding, then Content-Length; kNone if neither is there.
BodySpec declared_body(const Head& head) {
  bool coded = false, chunked = false;
  for (const auto& [name, value] : head.fields) {
    if (!iequals(name, "transfer-encoding")) continue;
    coded = true;
    const size_t comma = value.rfind(',');
    chunked =
        iequals(trim(std::string_view(value).substr(comma == std::string::npos ? 0 : comma + 1)),
                "chunked");
  }
  if (coded) {
    if (chunked) return {BodyKind::kChunked};
    if (head.response) return {BodyKind::kUntilClose};
    return {BodyKind::kInvalid, 0, "request with a transfer coding that is not chunked"};
  }
  std::optional<uint64_t> length;
  for (const auto& [name, value] : head.fields) {
    if (!iequals(name, "content-length")) continue;
    std::string_view rest = value;  // "5, 5" is what a proxy makes of two fields
    for (;;) {
      const size_t comma = rest.find(',');
      const auto one = parse_length(trim(rest.substr(0, comma)));
      if (!one || (length && *length != *one)) return {BodyKind::kInvalid, 0, "bad Content-Length"};
      length = one;
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  if (length && *length > 0) return {BodyKind::kLength, *length};
  if (head.response && !length) return {BodyKind::kUntilClose};
  return {BodyKind::kNone};
}

}  // namespace

size_t filler_length(ByteView bytes) {
  size_t at = 0;
  for (;;) {
    if (at < bytes.size() && bytes[at] == '\n') {
      at += 1;
    } else if (at + 1 < bytes.size() && bytes[at] == '\r' && bytes[at + 1] == '\n') {
      at += 2;
    } else {
      return at;
    }
  }
}

std::optional<Head> parse_head(ByteView bytes) {
  bytes.remove_prefix(filler_length(bytes));
  const size_t lf = bytes.find('\n');
  if (lf == ByteView::npos) return std::nullopt;
  std::string_view line = bytes.substr(0, lf);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  Head head;
  if (!parse_start_line(line, head)) return std::nullopt;
  head.fields = parse_fields(bytes.substr(lf + 1));
  return head;
}

BodySpec request_body(const Head& head) { return declared_body(head); }

BodySpec answer_body(const Head& head, bool to_head, bool to_connect) {
  const bool tunnel = to_connect && head.status / 100 == 2;
  if (to_head || tunnel || head.status < 200 || head.status == 204 || head.status == 304) return {};
  return declared_body(head);
}

Bytes dechunk(ByteView bytes) {
  Bytes out;
  while (!bytes.empty()) {
    const size_t lf = bytes.find('\n');
    if (lf == ByteView::npos) break;
    const std::string_view line = trim(bytes.substr(0, lf));
    uint64_t size = 0;
    const auto [end, ec] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
    (void)end;
    if (ec != std::errc() || size == 0) break;
    bytes.remove_prefix(lf + 1);
    out.append(bytes.substr(0, size_t(std::min<uint64_t>(size, bytes.size()))));
    if (size >= bytes.size()) break;
    bytes.remove_prefix(size_t(size));
    bytes.remove_prefix(bytes.starts_with("\r\n") ? 2 : 1);
  }
  return out;
}

void Framer::fail(std::string reason) {
  state_ = State::kFault;
  reason_ = std::move(reason);
}

void Framer::restart() {
  state_ = State::kHead;
  head_.clear();
  start_ = line_start_ = 0;
  started_ = false;
}

void Framer::start_body(const BodySpec& spec) {
  remaining_ = spec.length;
  line_length_ = trailer_bytes_ = 0;
  digits_done_ = any_digit_ = saw_cr_ = false;
  blank_ = true;
  switch (spec.kind) {
    case BodyKind::kNone:
      state_ = State::kDone;
      break;
    case BodyKind::kLength:
      state_ = State::kLength;
      break;
    case BodyKind::kChunked:
      state_ = State::kChunkSize, remaining_ = 0;
      break;
    case BodyKind::kUntilClose:
      state_ = State::kUntilClose;
      break;
    case BodyKind::kInvalid:
      fail(spec.problem);
      break;
  }
}

bool Framer::skip(uint64_t n) {
  if (state_ == State::kUntilClose) return true;
  if ((state_ != State::kLength && state_ != State::kChunkData) || n > remaining_) return false;
  remaining_ -= n;
  if (remaining_ == 0) state_ = state_ == State::kLength ? State::kDone : State::kChunkEnd;
  return true;
}

size_t Framer::consume(ByteView bytes) {
  size_t used = 0;
  while (used < bytes.size()) {
    const ByteView rest = bytes.substr(used);
    switch (state_) {
      case State::kHead:
        used += consume_head(rest);
        break;
      case State::kLength:
      case State::kChunkData: {
        const size_t n = size_t(std::min<uint64_t>(remaining_, rest.size()));
        used += n;
        skip(n);
        break;
      }
      case State::kUntilClose:
        return bytes.size();
      case State::kChunkSize:
        used += consume_chunk_size(rest);
        break;
      case State::kChunkEnd:
        if (rest[0] == '\r' && !saw_cr_) {
          saw_cr_ = true;
        } else if (rest[0] == '\n') {
          saw_cr_ = false;
          state_ = State::kChunkSize;
        } else {
          fail("no line end behind a chunk");
          return used;
        }
        ++used;
        break;
      case State::kTrailers:
        used += consume_trailers(rest);
        break;
      case State::kHeadDone:
      case State::kDone:
      case State::kFault:
        return used;
    }
  }
  return used;
}

size_t Framer::consume_head(ByteView bytes) {
  size_t used = 0;
  while (used < bytes.size() && state_ == State::kHead) {
    const size_t lf = bytes.find('\n', used);
    const size_t end = lf == ByteView::npos ? bytes.size() : lf + 1;
    const size_t room = kMaxHead - head_.size();
    const size_t n = std::min(end - used, room);
    head_.append(bytes.substr(used, n));
    used += n;
    const bool line_done = lf != ByteView::npos && used == lf + 1;
    if (!started_ && !plausible_start(ByteView(head_).substr(start_), response_) &&
        head_[start_] != '\r' && head_[start_] != '\n') {
      fail(response_ ? "no HTTP/1 status line" : "no HTTP/1 request line");
    } else if (line_done) {
      std::string_view line = ByteView(head_).substr(line_start_);
      line.remove_suffix(1);
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      Head head;
      if (started_) {
        if (line.empty()) state_ = State::kHeadDone;
      } else if (line.empty()) {
        start_ = head_.size();
      } else if (parse_start_line(line, head) && head.response == response_) {
        started_ = true;
      } else {
        fail(response_ ? "bad HTTP/1 status line" : "bad HTTP/1 request line");
      }
      line_start_ = head_.size();
    }
    if (state_ == State::kHead && head_.size() >= kMaxHead) fail("header block too long");
  }
  return used;
}

size_t Framer::consume_chunk_size(ByteView bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (c == '\n') {
      if (!any_digit_) return fail("bad chunk length"), i;
      chunk_size_done();
      return i + 1;
    }
    if (++line_length_ > kMaxChunkLine) return fail("chunk line too long"), i;
    if (digits_done_) continue;  // extensions
    const char low = char(c | 0x20);
    const bool letter = low >= 'a' && low <= 'f';
    if (is_digit(c) || letter) {
      remaining_ = remaining_ * 16 + uint64_t(letter ? low - 'a' + 10 : c - '0');
      any_digit_ = true;
      if (remaining_ > kMaxLength) return fail("bad chunk length"), i;
    } else if (any_digit_ && (c == '\r' || c == ';' || c == ' ' || c == '\t')) {
      digits_done_ = true;
    } else {
      return fail("bad chunk length"), i;
    }
  }
  return bytes.size();
}

void Framer::chunk_size_done() {
  state_ = remaining_ > 0 ? State::kChunkData : State::kTrailers;
  digits_done_ = any_digit_ = false;
  line_length_ = 0;
  blank_ = true;
}

size_t Framer::consume_trailers(ByteView bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (++trailer_bytes_ > kMaxHead) return fail("trailers too long"), i;
    if (c == '\n') {
      if (blank_) {
        state_ = State::kDone;
        return i + 1;
      }
      blank_ = true;
      line_length_ = 0;
    } else if (c != '\r' || line_length_++ > 0) {
      blank_ = false;
    }
  }
  return bytes.size();
}

}  // namespace reprise::wire::http1
