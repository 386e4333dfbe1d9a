#include "wire/fastcgi/describe.h"

#include "wire/fastcgi/records.h"

namespace reprise::wire::fastcgi {

namespace {

const std::string& param(const Request& request, std::string_view name) {
  static const std::string& none = *new std::string;
  for (const auto& [key, value] : request.params) {
    if (key == name) return value;
  }
  return none;
}

void add_values(ByteView content, LeafClass cls, Leaves& leaves) {
  LeafNames names;
  for (const auto& [key, value] : parse_pairs(content)) {
    leaves.push_back({names.unique("value." + key), value, LeafForm::kText, cls});
  }
}

const char* type_name(uint8_t type) {
  constexpr const char* kNames[] = {"",
                                    "BEGIN_REQUEST",
                                    "ABORT_REQUEST",
                                    "END_REQUEST",
                                    "PARAMS",
                                    "STDIN",
                                    "STDOUT",
                                    "STDERR",
                                    "DATA",
                                    "GET_VALUES",
                                    "GET_VALUES_RESULT",
                                    "UNKNOWN_TYPE"};
  return type < std::size(kNames) ? kNames[type] : "";
}

// What stands outside of any request.
Operation describe_record(ByteView message) {
  Operation op;
  Record record;
  if (!next_record(message, record)) return op;
  op.verb = type_name(record.type);
  op.label = op.verb;
  if (record.type == kGetValues) {
    op.tier = Tier::kHandshake;
    op.effect = Effect::kRead;
    add_values(record.content, LeafClass::kIdentity, op.leaves);
  }
  return op;
}

}  // namespace

Operation describe_request(ByteView message) {
  auto request = parse_request(message);
  if (!request) return describe_record(message);
  Operation op;
  op.verb = param(*request, "REQUEST_METHOD");
  op.effect = is_safe_method(op.verb) ? Effect::kRead : Effect::kWrite;
  std::string uri = param(*request, "REQUEST_URI");
  if (uri.empty()) uri = param(*request, "SCRIPT_NAME");
  if (uri.find('?') == std::string::npos && !param(*request, "QUERY_STRING").empty()) {
    uri += '?' + param(*request, "QUERY_STRING");
  }
  const TargetParts parts = split_target(uri);
  op.label = op.verb + ' ' + Bytes(parts.path);
  if (parts.has_query) op.label.append("?").append(parts.query);
  op.label = printable(op.label);
  op.leaves.push_back({"path", Bytes(parts.path), LeafForm::kUrlPath, LeafClass::kIdentity});
  LeafNames names;
  add_query_leaves(parts.query, names, op.leaves);
  HttpFields about_body;
  for (const auto& [key, value] : request->params) {
    const LeafClass cls = key == "SCRIPT_FILENAME" ? LeafClass::kIdentity : LeafClass::kContext;
    op.leaves.push_back({names.unique("param." + key), value, LeafForm::kText, cls});
    if (key == "CONTENT_TYPE" && !value.empty()) about_body.emplace_back("content-type", value);
    if (key == "HTTP_CONTENT_ENCODING") about_body.emplace_back("content-encoding", value);
  }
  // Under the name that HTTP gives it, so that a body is looked into the same way.
  add_header_leaves(about_body, names, op.leaves);
  add_body_leaf(about_body, std::move(request->body), op.leaves);
  return op;
}

Answer describe_answer(ByteView, const Operation&, ByteView answer) {
  Answer a;
  Record first;
  ByteView rest = answer;
  if (!next_record(rest, first)) {
    a.label = "no FastCGI: " + printable(answer, 60);
    a.error = true;
    a.leaves.push_back({"bytes", Bytes(answer), LeafForm::kBinary, LeafClass::kIdentity});
    return a;
  }
  if (first.type == kGetValuesResult || first.type == kUnknownType) {
    a.label = type_name(first.type);
    a.error = first.type == kUnknownType;
    if (!a.error) add_values(first.content, LeafClass::kIdentity, a.leaves);
    return a;
  }
  Response r = parse_response(answer);
  a.error = r.status >= 400 || r.app_status != 0 || r.protocol_status != 0;
  a.label = std::to_string(r.status);
  if (!r.reason.empty()) a.label += ' ' + printable(r.reason, 60);
  a.label += ", " + std::to_string(r.body.size()) + " bytes";
  if (r.protocol_status != 0) a.label += ", refused " + std::to_string(r.protocol_status);
  a.leaves.push_back({"status", std::to_string(r.status), LeafForm::kNumber, LeafClass::kIdentity});
  LeafNames names;
  add_header_leaves(r.headers, names, a.leaves);
  add_body_leaf(r.headers, std::move(r.body), a.leaves);
  if (!r.err.empty()) {
    a.leaves.push_back({"stderr", std::move(r.err), LeafForm::kText, LeafClass::kContext});
  }
  a.leaves.push_back(
      {"app_status", std::to_string(r.app_status), LeafForm::kNumber, LeafClass::kIdentity});
  return a;
}

}  // namespace reprise::wire::fastcgi
