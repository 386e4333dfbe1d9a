// Secrets are taken out of sessions before any byte of them reaches the disk.
//
// Rules name where secrets stand: headers, JSON paths, form fields, and regular expressions over the
// bytes. Each value found becomes a token that is the same for the same value within a recording, and of
// the same length, so that every length field and every framing stays right: digits stay digits, letters
// stay letters. The same value elsewhere in the session (a SQL parameter, a Redis key) becomes the same
// token, so that a redacted session still matches itself.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "session/model.h"

namespace reprise::flow {

struct RedactRules {
  std::vector<std::string> headers;  // names, any case
  std::vector<std::string> json;     // "password", "user.email", "cards[*].number"; a bare name: anywhere
  std::vector<std::string> form;     // field names, of bodies and of queries
  std::vector<std::string> regex;    // RE2; with a group, the group is the secret
};

// JSON: {"headers": [...], "json": [...], "form": [...], "regex": [...]}.
Result<RedactRules> read_redact_rules(const std::string& path);

class Redactor {
 public:
  // key: secret of this recording; tokens cannot be told without it.
  static Result<Redactor> create(RedactRules rules, std::string key);
  Redactor(Redactor&&) noexcept;
  ~Redactor();

  // Replaces in place. Returns how many values were found.
  size_t redact(session::Session& session) const;
  std::string token(ByteView value) const;

 private:
  struct State;
  explicit Redactor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace reprise::flow
