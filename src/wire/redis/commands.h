// What we know of Redis commands: effect, tier, and which arguments say what is asked for.
#pragma once

#include <string>
#include <vector>

#include "wire/message.h"

namespace reprise::wire::redis {

struct CommandInfo {
  const char* name;  // "GET", "CLIENT SETNAME"
  Effect effect;
  // A letter an argument, the part in parentheses over and over, else the last letter goes on:
  // i identity, v payload (written values), c context, s secret (never shown, no leaf).
  const char* args;
  Tier tier = Tier::kCall;
};

// Null for a command that is not in the table: unknown effect, all arguments identity.
const CommandInfo* find_command(std::string_view verb);

// Upper case; with its sub-command where the command is a family ("CLIENT SETNAME").
// words_used: 1 or 2.
std::string verb_of(const std::vector<Bytes>& words, size_t& words_used);

// The letter of argument i, see CommandInfo::args.
char arg_class(const char* pattern, size_t i);

}  // namespace reprise::wire::redis
