#include "mock/rewrite.h"

namespace reprise::mock {

namespace {

constexpr size_t kShortest = 8;  // a shorter value may be anything

bool replace_all(Bytes& text, const std::string& from, const std::string& to) {
  bool any = false;
  for (size_t at = text.find(from); at != Bytes::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
    any = true;
  }
  return any;
}

// The value of Content-Length in the head, replaced; chunked answers are left as they are.
void repair_length(Bytes& head, size_t body) {
  size_t at = 0;
  while (at < head.size()) {
    size_t end = head.find("\r\n", at);
    if (end == Bytes::npos) end = head.size();
    const ByteView line = ByteView(head).substr(at, end - at);
    const size_t colon = line.find(':');
    if (colon != ByteView::npos && iequals(line.substr(0, colon), "content-length")) {
      head.replace(at + colon + 1, line.size() - colon - 1, " " + std::to_string(body));
      return;
    }
    at = end + 2;
  }
}

bool is_chunked(const Bytes& head) {
  return ascii_lower(head).find("\r\ntransfer-encoding:") != std::string::npos;
}

}  // namespace

Bytes rewrite_bound(wire::Protocol protocol, Bytes answer,
                    const std::vector<std::pair<std::string, std::string>>& bindings) {
  if (bindings.empty()) return answer;
  const size_t split = protocol == wire::Protocol::kHttp1 ? answer.find("\r\n\r\n") : Bytes::npos;
  if (split == Bytes::npos) {
    for (const auto& [from, to] : bindings) {
      if (from.size() == to.size() && from.size() >= kShortest) replace_all(answer, from, to);
    }
    return answer;
  }
  Bytes head = answer.substr(0, split + 4), body = answer.substr(split + 4);
  const bool chunked = is_chunked(head);
  bool resized = false;
  for (const auto& [from, to] : bindings) {
    if (from.size() < kShortest || (chunked && from.size() != to.size())) continue;
    replace_all(head, from, to);
    resized = replace_all(body, from, to) || resized;
  }
  if (resized && !chunked) repair_length(head, body.size());
  return head + body;
}

}  // namespace reprise::mock
