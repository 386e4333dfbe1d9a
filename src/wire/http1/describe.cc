#include "wire/http1/describe.h"

#include <algorithm>

#include "wire/http1/http1.h"

namespace reprise::wire {

namespace http1 {

Bytes body_of(const Head& head, ByteView message) {
  const size_t filler = filler_length(message);
  const auto length = header_block_length(message.substr(filler));
  if (!length) return {};
  const ByteView rest = message.substr(filler + *length);
  const BodySpec spec = head.response ? answer_body(head, false, false) : request_body(head);
  switch (spec.kind) {
    case BodyKind::kLength:
      return Bytes(rest.substr(0, size_t(spec.length)));
    case BodyKind::kChunked:
      return dechunk(rest);
    case BodyKind::kUntilClose:
      return Bytes(rest);
    case BodyKind::kNone:
    case BodyKind::kInvalid:
      return {};
  }
  return {};
}

Operation describe_request(const Head& head, ByteView message) {
  Operation op;
  op.verb = head.method;
  op.effect = is_safe_method(head.method) ? Effect::kRead : Effect::kWrite;
  const TargetParts parts = split_target(head.target);
  op.label = head.method + ' ' + Bytes(parts.path);
  if (parts.has_query) op.label.append("?").append(parts.query);
  op.label = printable(op.label);
  op.leaves.push_back({"path", Bytes(parts.path), LeafForm::kUrlPath, LeafClass::kIdentity});
  LeafNames names;
  add_query_leaves(parts.query, names, op.leaves);
  add_header_leaves(head.fields, names, op.leaves);
  add_body_leaf(head.fields, body_of(head, message), op.leaves);
  return op;
}

// Interim answers in front are passed over: some recordings keep them with the final one.
Answer describe_answer(ByteView, const Operation&, ByteView answer) {
  Answer a;
  std::optional<Head> head;
  for (;;) {
    head = parse_head(answer);
    const bool interim = head && head->response && head->status / 100 == 1 && head->status != 101;
    if (!interim) break;
    const size_t filler = filler_length(answer);
    const auto length = header_block_length(answer.substr(filler));
    if (!length || filler + *length >= answer.size()) break;
    answer.remove_prefix(filler + *length);
  }
  if (!head || !head->response) {
    a.label = "no HTTP answer: " + printable(answer, 60);
    a.error = true;
    a.leaves.push_back({"bytes", Bytes(answer), LeafForm::kBinary, LeafClass::kIdentity});
    return a;
  }
  Bytes body = body_of(*head, answer);
  a.error = head->status >= 400;
  a.label = std::to_string(head->status);
  if (!head->reason.empty()) a.label += ' ' + printable(head->reason, 60);
  a.label += ", " + std::to_string(body.size()) + " bytes";
  const std::string coding = content_coding(head->fields);
  if (!coding.empty()) a.label += " (" + printable(coding, 20) + ")";
  a.leaves.push_back(
      {"status", std::to_string(head->status), LeafForm::kNumber, LeafClass::kIdentity});
  LeafNames names;
  add_header_leaves(head->fields, names, a.leaves);
  add_body_leaf(head->fields, std::move(body), a.leaves);
  return a;
}

}  // namespace http1

std::optional<HttpView> parse_http(ByteView message) {
  const size_t filler = http1::filler_length(message);
  if (!header_block_length(message.substr(filler))) return std::nullopt;
  auto head = http1::parse_head(message);
  if (!head) return std::nullopt;
  HttpView view;
  view.body = http1::body_of(*head, message);
  view.response = head->response;
  view.status = head->status;
  view.method = std::move(head->method);
  view.target = std::move(head->target);
  view.headers = std::move(head->fields);
  return view;
}

bool wants_continue(ByteView partial_request) {
  const size_t filler = http1::filler_length(partial_request);
  const auto length = header_block_length(partial_request.substr(filler));
  if (!length || filler + *length != partial_request.size()) return false;
  const auto head = http1::parse_head(partial_request);
  return head && !head->response && head->minor >= 1 &&
         http1::request_body(*head).kind != http1::BodyKind::kNone &&
         field_has_token(head->fields, "expect", "100-continue");
}

bool close_delimited(ByteView request, ByteView answer) {
  const auto head = http1::parse_head(answer);
  if (!head || !head->response || head->status < 200) return false;
  const auto asked = http1::parse_head(request);
  const bool to_head = asked && asked->method == "HEAD";
  const bool to_connect = asked && asked->method == "CONNECT";
  if (to_connect && head->status / 100 == 2) return false;
  using http1::BodyKind;
  if (http1::answer_body(*head, to_head, to_connect).kind == BodyKind::kUntilClose) return true;
  if (field_has_token(head->fields, "connection", "close")) return true;
  return head->minor == 0 && !field_has_token(head->fields, "connection", "keep-alive");
}

}  // namespace reprise::wire
