// Path patterns of ignore rules and of volatile headers.
#pragma once

#include <string_view>

namespace reprise::compare {

// ASCII case folded; '*' stands for any characters but '.', '[', ']' and ':' outside brackets, and
// for all up to the next ']' inside. The pattern also covers what lies below the path it names.
bool covers(std::string_view pattern, std::string_view path);

// '*' stands for any characters.
bool glob(std::string_view pattern, std::string_view text);

}  // namespace reprise::compare
