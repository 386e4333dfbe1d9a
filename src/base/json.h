// JSON, written as a stream and read as a tree. Numbers keep their text (a decimal never goes through a
// double), objects keep the order of their keys and their duplicates: what comparing needs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace reprise {

// Appends JSON to a string. Commas and indentation are its business, matching begin and end yours.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out, bool pretty = false) : out_(out), pretty_(pretty) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  // Bytes that are not UTF-8 are written as U+FFFD, one for each bad byte.
  JsonWriter& string(std::string_view value);
  JsonWriter& number(int64_t value) { return raw(std::to_string(value)); }
  JsonWriter& number(uint64_t value) { return raw(std::to_string(value)); }
  JsonWriter& number(int value) { return number(static_cast<int64_t>(value)); }
  JsonWriter& number(double value);
  JsonWriter& boolean(bool value) { return raw(value ? "true" : "false"); }
  JsonWriter& null() { return raw("null"); }
  JsonWriter& raw(std::string_view json);

  template <class T>
  JsonWriter& field(std::string_view name, const T& value) {
    key(name);
    if constexpr (std::is_same_v<T, bool>) {
      return boolean(value);
    } else if constexpr (std::is_floating_point_v<T>) {
      return number(static_cast<double>(value));
    } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
      return number(static_cast<int64_t>(value));
    } else if constexpr (std::is_integral_v<T>) {
      return number(static_cast<uint64_t>(value));
    } else {
      return string(value);
    }
  }

 private:
  JsonWriter& open(char c);
  JsonWriter& close(char c);
  void separate();
  void indent();

  std::string& out_;
  bool pretty_;
  bool after_key_ = false;
  std::vector<bool> has_elements_;
};

struct JsonMember;

struct Json {
  enum class Type : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
  Type type = Type::kNull;
  bool boolean = false;
  std::string text;  // of a string (decoded), or of a number as it was written
  std::vector<Json> items;
  std::vector<JsonMember> members;

  const Json* get(std::string_view name) const;  // first member of that name, or null
  std::string string_or(std::string_view name, std::string_view otherwise = {}) const;
  int64_t integer_or(std::string_view name, int64_t otherwise = 0) const;
  bool bool_or(std::string_view name, bool otherwise = false) const;
  std::vector<std::string> strings(std::string_view name) const;
};

struct JsonMember {
  std::string first;  // the name
  Json second;
};

// Strict JSON (RFC 8259), at most 200 levels deep. The error tells the byte.
Result<Json> parse_json(std::string_view text);

}  // namespace reprise
