// reprise COMMAND ...
#include <cstdio>
#include <cstring>

#include "cli/command.h"
#include "sandbox/stage.h"

namespace {

using namespace reprise;
using namespace reprise::cli;

constexpr Command kCommands[] = {
    {"record", "run a program and record it with all its calls", run_record},
    {"replay", "replay a recording, every dependency played from it", run_replay},
    {"show", "look at a recording, a session, the ledger", run_show},
    {"ls", "list recordings", run_ls},
    {"verify", "check a recording byte by byte", run_verify},
    {"recover", "sessions of a recording that was cut short, from its journal", run_recover},
    {"doctor", "say what this machine and a program allow", run_doctor},
};

void print_help() {
  std::printf("usage: reprise COMMAND [options]\n\nRecord real traffic once. Replay it anywhere. "
              "Know what changed.\n\ncommands:\n");
  for (const Command& c : kCommands) std::printf("  %-8s %s\n", c.name, c.about);
  std::printf("\n`reprise COMMAND --help` tells more, with examples.\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "__stage-init") == 0) return sandbox::stage_init_main(argc, argv);
  const Arguments arguments(argv + (argc > 1 ? 2 : 1), argv + argc);
  const std::string name = argc > 1 ? argv[1] : "";
  if (name.empty() || name == "--help" || name == "-h" || name == "help") {
    print_help();
    return name.empty() ? 2 : 0;
  }
  if (name == "--version") {
    std::printf("reprise %s\n", REPRISE_VERSION);
    return 0;
  }
  for (const Command& c : kCommands) {
    if (name != c.name) continue;
    auto code = c.run(arguments);
    return code ? *code : report(code.error());
  }
  return report({"unknown command '" + name + "'", "see reprise --help", ErrorKind::kUsage});
}
