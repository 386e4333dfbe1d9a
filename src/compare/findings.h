// Where the comparers put what they find: knows the path it stands at, the rules that forgive, and
// the limits of the list.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "compare/compare.h"

namespace reprise::compare {

class Findings {
 public:
  explicit Findings(const Rules& rules) : rules_(rules) {}

  // The path is longer by one segment while it lives.
  class Step {
   public:
    Step(Findings& findings, std::string_view segment);
    ~Step() { findings_.path_.resize(length_); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    Findings& findings_;
    size_t length_;
  };
  // ".name", or "name" at the root; cut if very long.
  static std::string member(std::string_view name, bool root);

  // At the present path; counts unless a rule forgives it.
  void add(Kind kind, std::string_view recorded, std::string_view live);
  void forgive(Kind kind, std::string_view recorded, std::string_view live, std::string_view rule);
  // An ignore rule covers the present path: nothing below it needs a look.
  bool ignored() const { return ignoring() != nullptr; }
  bool at_root() const { return path_.empty(); }
  const Rules& rules() const { return rules_; }

  std::vector<Difference> take();

 private:
  const std::string* ignoring() const;

  const Rules& rules_;
  std::string path_;
  std::vector<Difference> list_;
  size_t counted_ = 0;
  size_t forgiven_ = 0;
  Kind worst_ = Kind::kAdded;  // of those that found no place
};

// At most max bytes, cut between UTF-8 characters, with "..." behind if cut.
std::string shorten(std::string_view text, size_t max = kMaxShown);

// Compact JSON for a person, cut at kMaxShown; costs no more for large values.
std::string brief(const Json& json);

}  // namespace reprise::compare
