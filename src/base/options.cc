#include "base/options.h"

#include <charconv>
#include <cmath>

namespace reprise {

namespace {

Result<double> parse_with_unit(const std::string& text, std::string& unit) {
  size_t digits = 0;
  while (digits < text.size() && ((text[digits] >= '0' && text[digits] <= '9') || text[digits] == '.')) {
    ++digits;
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (digits == 0 || error != std::errc() || end != text.data() + digits) {
    return fail(fmt::format("'{}' is no number", text));
  }
  unit = text.substr(digits);
  return value;
}

}  // namespace

Result<int64_t> parse_integer(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return fail(fmt::format("'{}' is no whole number", text));
  }
  return value;
}

Result<uint64_t> parse_size(const std::string& text) {
  std::string unit;
  REPRISE_ASSIGN(const double value, parse_with_unit(text, unit));
  double factor = 0;
  if (unit.empty() || unit == "B") factor = 1;
  if (unit == "K" || unit == "KB" || unit == "k") factor = 1024;
  if (unit == "M" || unit == "MB" || unit == "m") factor = 1024.0 * 1024;
  if (unit == "G" || unit == "GB" || unit == "g") factor = 1024.0 * 1024 * 1024;
  if (factor == 0 || value * factor > 9e18) return fail(fmt::format("'{}' is no size (try 64M)", text));
  return static_cast<uint64_t>(value * factor);
}

Result<int64_t> parse_duration(const std::string& text) {
  std::string unit;
  REPRISE_ASSIGN(const double value, parse_with_unit(text, unit));
  double factor = 0;
  if (unit == "ns") factor = 1;
  if (unit == "us") factor = 1e3;
  if (unit == "ms") factor = 1e6;
  if (unit == "s" || unit.empty()) factor = 1e9;
  if (unit == "m") factor = 60e9;
  if (unit == "h") factor = 3600e9;
  if (factor == 0 || value * factor > 9e18) return fail(fmt::format("'{}' is no duration (try 1.5s)", text));
  return static_cast<int64_t>(std::llround(value * factor));
}

void OptionTable::flag(std::string name, std::string brief, std::string help, bool& target) {
  options_.push_back({std::move(name), std::move(brief), "", std::move(help),
                      [&target](const std::string&) -> Status {
                        target = true;
                        return {};
                      }});
}

void OptionTable::text(std::string name, std::string brief, std::string value, std::string help,
                       std::string& target) {
  options_.push_back({std::move(name), std::move(brief), std::move(value), std::move(help),
                      [&target](const std::string& v) -> Status {
                        target = v;
                        return {};
                      }});
}

void OptionTable::texts(std::string name, std::string brief, std::string value, std::string help,
                        std::vector<std::string>& target) {
  options_.push_back({std::move(name), std::move(brief), std::move(value), std::move(help),
                      [&target](const std::string& v) -> Status {
                        target.push_back(v);
                        return {};
                      }});
}

void OptionTable::number(std::string name, std::string brief, std::string value, std::string help,
                         int64_t& target, int64_t least, int64_t most) {
  options_.push_back({std::move(name), std::move(brief), std::move(value), std::move(help),
                      [&target, least, most](const std::string& v) -> Status {
                        REPRISE_ASSIGN(const int64_t n, parse_integer(v));
                        if (n < least || n > most) {
                          return fail(fmt::format("{} is not between {} and {}", n, least, most));
                        }
                        target = n;
                        return {};
                      }});
}

void OptionTable::size(std::string name, std::string value, std::string help, uint64_t& target) {
  options_.push_back({std::move(name), "", std::move(value), std::move(help),
                      [&target](const std::string& v) -> Status {
                        REPRISE_ASSIGN(target, parse_size(v));
                        return {};
                      }});
}

Result<OptionTable::Parsed> OptionTable::parse(const std::vector<std::string>& arguments) const {
  const std::string hint = "see " + usage_.substr(0, usage_.find(' ', usage_.find(' ') + 1)) + " --help";
  Parsed out;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word == "--") {
      out.has_rest = true;
      out.rest.assign(arguments.begin() + static_cast<long>(i) + 1, arguments.end());
      break;
    }
    if (word == "--help" || word == "-h") {
      out.help = true;
      continue;
    }
    if (word.size() < 2 || word[0] != '-') {
      out.positional.push_back(word);
      continue;
    }
    const size_t equals = word.compare(0, 2, "--") == 0 ? word.find('=') : std::string::npos;
    const std::string name = word.substr(0, equals);
    const Option* found = nullptr;
    for (const Option& o : options_) {
      if (o.name == name || (!o.brief.empty() && o.brief == name)) found = &o;
    }
    if (found == nullptr) return fail("unknown option " + name, hint, ErrorKind::kUsage);
    std::string value;
    if (found->value.empty()) {
      if (equals != std::string::npos) return fail(name + " takes no value", hint, ErrorKind::kUsage);
    } else if (equals != std::string::npos) {
      value = word.substr(equals + 1);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return fail(name + " needs a value: " + found->value, hint, ErrorKind::kUsage);
    }
    if (auto s = found->set(value); !s) {
      return fail(name + ": " + s.error().message, s.error().hint.empty() ? hint : s.error().hint,
                  ErrorKind::kUsage);
    }
  }
  return out;
}

std::string OptionTable::help() const {
  std::string out = "usage: " + usage_ + "\n\n" + about_ + "\n";
  size_t width = 0;
  const auto left = [](const Option& o) {
    std::string s = o.brief.empty() ? "    " + o.name : o.brief + ", " + o.name;
    return o.value.empty() ? s : s + " " + o.value;
  };
  for (const Option& o : options_) width = std::max(width, left(o).size());
  if (!options_.empty()) out += "\noptions:\n";
  for (const Option& o : options_) out += fmt::format("  {:<{}}  {}\n", left(o), width, o.help);
  if (!examples_.empty()) out += "\nexamples:\n";
  for (const std::string& e : examples_) out += "  " + e + "\n";
  return out;
}

}  // namespace reprise
