# Warnings and sanitizers. One build behaves like another: the sanitizer and fuzz presets change how
# the code is checked, never what it does.
set(REPRISE_SANITIZE "" CACHE STRING "Comma list for -fsanitize, empty for none")
option(REPRISE_FUZZ "Build libFuzzer targets (clang only)" OFF)

add_library(reprise_flags INTERFACE)
target_compile_options(reprise_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor
  -Wno-missing-field-initializers $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
  # clang sees what std::stable_sort of libstdc++ uses inside.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>)
if(REPRISE_SANITIZE)
  target_compile_options(reprise_flags INTERFACE -fsanitize=${REPRISE_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(reprise_flags INTERFACE -fsanitize=${REPRISE_SANITIZE})
endif()
if(REPRISE_FUZZ)
  target_compile_options(reprise_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
