#include "flow/redact.h"

#include <re2/re2.h>

#include <algorithm>
#include <functional>
#include <set>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "value/refine.h"
#include "wire/registry.h"

namespace reprise::flow {

namespace {

// A shorter value would be found everywhere; rules that name a place still redact that place.
constexpr size_t kShortestElsewhere = 5;

// "cards[3].number" -> "cards[*].number"
std::string general(std::string_view path) {
  std::string out;
  for (size_t i = 0; i < path.size(); ++i) {
    out += path[i];
    if (path[i] != '[') continue;
    while (i + 1 < path.size() && path[i + 1] != ']') ++i;
    out += '*';
  }
  return out;
}

std::string_view last_name(std::string_view path) {
  const size_t dot = path.rfind('.');
  path = dot == std::string_view::npos ? path : path.substr(dot + 1);
  return path.substr(0, path.find('['));
}

void replace_all(Bytes& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != Bytes::npos; at = text.find(from, at + from.size())) {
    text.replace(at, from.size(), to);
  }
}

}  // namespace

struct Redactor::State {
  std::set<std::string> headers;  // lower case
  std::set<std::string> json;
  std::set<std::string> form;
  std::vector<std::unique_ptr<RE2>> regex;
  std::string key;

  bool names(const Leaf& leaf) const {
    std::string_view path = leaf.path;
    if (path.rfind("header.", 0) == 0) return headers.count(ascii_lower(path.substr(7))) != 0;
    if (path.rfind("param.HTTP_", 0) == 0) {  // FastCGI: HTTP_X_API_KEY
      std::string name = ascii_lower(path.substr(11));
      std::replace(name.begin(), name.end(), '_', '-');
      return headers.count(name) != 0;
    }
    if (path.rfind("query.", 0) == 0) return form.count(std::string(last_name(path))) != 0;
    // A body, a Redis value, a row of SQL: whatever opened into named values. A name inside a path names
    // all that is below it.
    const size_t dot = path.find('.');
    if (dot != std::string_view::npos && json.count(general(path.substr(dot + 1))) != 0) return true;
    if (form.count(std::string(last_name(path))) != 0) return true;
    for (size_t at = 0; at < path.size();) {
      size_t end = path.find_first_of(".[", at);
      if (end == std::string_view::npos) end = path.size();
      if (json.count(std::string(path.substr(at, end - at))) != 0) return true;
      at = end + 1;
    }
    return false;
  }

  // The same names in the bytes as they are: a body that is cut, broken, escaped or called something else
  // does not open, and its secrets must go all the same.
  void collect_raw(ByteView bytes, std::set<std::string>& out) const {
    const std::string lower = ascii_lower(bytes);
    const auto each = [&](const std::string& what, const auto& found) {
      for (size_t at = lower.find(what); at != std::string::npos; at = lower.find(what, at + 1)) {
        found(at + what.size());
      }
    };
    for (const std::string& name : json) {
      const std::string key = ascii_lower(last_name(name));
      for (const std::string& quote : {"\"", "\\\""}) {
        each(quote + key + quote, [&](size_t at) { collect_json_value(bytes, at, quote, out); });
      }
    }
    for (const std::string& name : form) {
      each(ascii_lower(name) + "=", [&](size_t at) {
        const size_t end = std::min(bytes.find_first_of("& \r\n\"", at), bytes.size());
        if (end > at) out.insert(std::string(bytes.substr(at, end - at)));
      });
    }
    for (const std::string& name : headers) {
      each("\n" + name + ":", [&](size_t at) {
        const size_t end = std::min(bytes.find('\n', at), bytes.size());
        std::string_view value = trim(bytes.substr(at, end - at));
        if (!value.empty() && value.back() == '\r') value.remove_suffix(1);
        if (!value.empty()) out.insert(std::string(value));
      });
    }
  }

  // Behind a name and its closing quote: ':' and a string, a number, or the strings of a container.
  static void collect_json_value(ByteView bytes, size_t at, const std::string& quote,
                                 std::set<std::string>& out) {
    at = bytes.find_first_not_of(" \t\r\n", at);
    if (at >= bytes.size() || bytes[at] != ':') return;
    int depth = 0;
    for (++at; at < bytes.size(); ++at) {
      const char c = bytes[at];
      if (bytes.compare(at, quote.size(), quote) == 0) {
        const size_t from = at + quote.size();
        size_t end = from;
        while (end < bytes.size() && bytes.compare(end, quote.size(), quote) != 0) {
          end += bytes[end] == '\\' ? 2 : 1;
        }
        end = std::min(end, bytes.size());
        if (end > from) out.insert(std::string(bytes.substr(from, end - from)));
        at = end + quote.size() - 1;
        if (depth == 0) return;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']' || c == ',') {
        if (c != ',') --depth;
        if (depth <= 0) return;
      } else if (c == '-' || (c >= '0' && c <= '9')) {
        const size_t end = std::min(bytes.find_first_not_of("-+.0123456789eE", at), bytes.size());
        out.insert(std::string(bytes.substr(at, end - at)));
        at = end - 1;
        if (depth == 0) return;
      }
    }
  }

  void collect(const Leaves& leaves, std::set<std::string>& out) const {
    for (const Leaf& leaf : value::refine(leaves).leaves) {
      if (names(leaf) && !leaf.text.empty()) out.insert(leaf.text);
    }
  }

  void collect(ByteView bytes, std::set<std::string>& out) const {
    for (const auto& expression : regex) {
      re2::StringPiece rest(bytes.data(), bytes.size());
      re2::StringPiece found[2];
      const int groups = std::min(expression->NumberOfCapturingGroups(), 1) + 1;
      while (expression->Match(rest, 0, rest.size(), RE2::UNANCHORED, found, groups)) {
        const re2::StringPiece secret = groups > 1 && !found[1].empty() ? found[1] : found[0];
        if (!secret.empty()) out.insert(std::string(secret.data(), secret.size()));
        const size_t used = static_cast<size_t>(found[0].data() - rest.data()) + std::max<size_t>(found[0].size(), 1);
        if (used >= rest.size()) break;
        rest.remove_prefix(used);
      }
    }
  }

  void collect(const session::Call& c, std::set<std::string>& out) const {
    collect(c.operation.leaves, out);
    if (c.answered) {
      collect(wire::entry(c.protocol).describe_answer(c.request, c.operation, c.answer).leaves, out);
    }
    for (const Bytes* bytes : {&c.request, &c.interim, &c.answer}) {
      collect(*bytes, out);
      collect_raw(*bytes, out);
    }
  }
};

Result<RedactRules> read_redact_rules(const std::string& path) {
  auto text = read_file(path);
  if (!text) return fail(text.error().message, "give --redact a JSON file of rules", ErrorKind::kUsage);
  auto json = parse_json(*text);
  if (!json || json->type != Json::Type::kObject) {
    return fail(path + ": " + (json ? "not a JSON object" : json.error().message),
                R"(try {"headers": ["authorization"], "json": ["password"]})", ErrorKind::kUsage);
  }
  RedactRules rules;
  for (const JsonMember& m : json->members) {
    std::vector<std::string>* list = m.first == "headers" ? &rules.headers
                                     : m.first == "json"  ? &rules.json
                                     : m.first == "form"  ? &rules.form
                                     : m.first == "regex" ? &rules.regex : nullptr;
    if (list == nullptr || m.second.type != Json::Type::kArray) {
      return fail(path + ": '" + m.first + "' is no list of headers, json, form or regex", {}, ErrorKind::kUsage);
    }
    for (const Json& item : m.second.items) {
      if (item.type != Json::Type::kString || item.text.empty()) {
        return fail(path + ": '" + m.first + "' holds something that is no text", {}, ErrorKind::kUsage);
      }
      list->push_back(item.text);
    }
  }
  return rules;
}

Redactor::Redactor(std::unique_ptr<State> state) : state_(std::move(state)) {}
Redactor::Redactor(Redactor&&) noexcept = default;
Redactor::~Redactor() = default;

Result<Redactor> Redactor::create(RedactRules rules, std::string key) {
  auto state = std::make_unique<State>();
  for (const std::string& h : rules.headers) state->headers.insert(ascii_lower(h));
  state->json.insert(rules.json.begin(), rules.json.end());
  state->form.insert(rules.form.begin(), rules.form.end());
  for (const std::string& text : rules.regex) {
    RE2::Options options(RE2::Latin1);  // bytes, not text
    options.set_log_errors(false);
    auto expression = std::make_unique<RE2>(text, options);
    if (!expression->ok()) {
      return fail("redaction rule '" + text + "': " + expression->error(), {}, ErrorKind::kUsage);
    }
    state->regex.push_back(std::move(expression));
  }
  state->key = std::move(key);
  return Redactor(std::move(state));
}

std::string Redactor::token(ByteView value) const {
  static constexpr char kLetters[] = "abcdefghijklmnopqrstuvwxyz";
  std::string stream;
  for (uint32_t block = 0; stream.size() < value.size(); ++block) {
    Digest digest;
    digest.add(state_->key);
    digest.add(ByteView(reinterpret_cast<const char*>(&block), sizeof block));
    digest.add(value);
    stream += digest.hex();
  }
  std::string out(value);
  for (size_t i = 0; i < out.size(); ++i) {
    const auto c = static_cast<unsigned char>(out[i]);
    const auto r = static_cast<unsigned char>(stream[i]);
    const int digit = r <= '9' ? r - '0' : r - 'a' + 10;
    if (c >= '0' && c <= '9') {
      out[i] = static_cast<char>('0' + digit % 10);
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80) {
      out[i] = kLetters[(digit + static_cast<int>(i)) % 26];
    }
  }
  // A leading zero would make another number of it.
  if (!out.empty() && out[0] == '0' && value[0] != '0') out[0] = '7';
  return out;
}

size_t Redactor::redact(session::Session& s) const {
  std::set<std::string> secrets;
  const bool inbound = s.kind == session::SessionKind::kInbound;
  if (inbound) state_->collect(s.inbound, secrets);
  for (const session::Call& c : s.calls) state_->collect(c, secrets);
  if (secrets.empty()) return 0;
  // The longest first: a secret may hold another.
  std::vector<std::string> order(secrets.begin(), secrets.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
  for (const std::string& secret : order) {
    const std::string with = token(secret);
    const auto clean = [&](session::Call& c) {
      const bool anywhere = secret.size() >= kShortestElsewhere;
      for (Bytes* bytes : {&c.request, &c.interim, &c.answer}) {
        if (anywhere) {
          replace_all(*bytes, secret, with);
        } else {
          // Too short to be looked for everywhere: only between the marks that end a value.
          for (const auto& [open, close] : {std::pair{"\"", "\""}, {": ", "\r\n"}, {"=", "&"}, {"=", " "}, {":", ","}}) {
            replace_all(*bytes, open + secret + close, open + with + close);
          }
          if (bytes->size() > secret.size() && bytes->compare(bytes->size() - secret.size() - 1, std::string::npos, "=" + secret) == 0) {
            bytes->replace(bytes->size() - secret.size(), secret.size(), with);
          }
        }
      }
      for (Leaf& leaf : c.operation.leaves) {
        if (leaf.text == secret) {
          leaf.text = with;
        } else if (anywhere) {
          replace_all(leaf.text, secret, with);
        }
      }
      if (anywhere) replace_all(c.operation.label, secret, with);
    };
    if (inbound) clean(s.inbound);
    for (session::Call& c : s.calls) clean(c);
  }
  return secrets.size();
}

}  // namespace reprise::flow
