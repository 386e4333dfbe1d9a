// Command lines from a table: one description serves the parser and --help.
//
// Grammar: --name VALUE, --name=VALUE, -x VALUE, --flag; "--" ends the options. Words that are no
// options are positional.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace reprise {

struct Option {
  std::string name;   // "--lanes"
  std::string brief;  // "-j", may be empty
  std::string value;  // "N"; empty for a flag
  std::string help;   // one line
  std::function<Status(const std::string&)> set;
};

class OptionTable {
 public:
  // usage: "reprise record -o DIR [options] -- CMD ARGS..."; examples: one a line.
  OptionTable(std::string usage, std::string about, std::vector<std::string> examples)
      : usage_(std::move(usage)), about_(std::move(about)), examples_(std::move(examples)) {}

  void flag(std::string name, std::string brief, std::string help, bool& target);
  void text(std::string name, std::string brief, std::string value, std::string help, std::string& target);
  void texts(std::string name, std::string brief, std::string value, std::string help,
             std::vector<std::string>& target);  // may be given again
  void number(std::string name, std::string brief, std::string value, std::string help, int64_t& target,
              int64_t least, int64_t most);
  void size(std::string name, std::string value, std::string help, uint64_t& target);  // 64M, 2G
  void custom(Option option) { options_.push_back(std::move(option)); }

  struct Parsed {
    std::vector<std::string> positional;
    std::vector<std::string> rest;  // behind "--"
    bool has_rest = false;
    bool help = false;
  };
  // Errors are kUsage, name the option, and point to --help.
  Result<Parsed> parse(const std::vector<std::string>& arguments) const;
  std::string help() const;

 private:
  std::string usage_;
  std::string about_;
  std::vector<std::string> examples_;
  std::vector<Option> options_;
};

Result<int64_t> parse_integer(const std::string& text);
Result<uint64_t> parse_size(const std::string& text);      // bytes; K, M, G are powers of 1024
Result<int64_t> parse_duration(const std::string& text);   // nanoseconds; ns, us, ms, s, m, h; bare: seconds

}  // namespace reprise
