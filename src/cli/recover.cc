#include <cstdio>

#include "base/options.h"
#include "cli/command.h"
#include "run/recover.h"

namespace reprise::cli {

Result<int> run_recover(const Arguments& arguments) {
  OptionTable table("reprise recover REC",
                    "Assembles the sessions of REC again from its journal: after the recorder was killed, or, for\n"
                    "a recording made with --keep-journal, with the rules of this version.",
                    {"reprise recover rec"});
  REPRISE_ASSIGN(const OptionTable::Parsed parsed, table.parse(arguments));
  if (parsed.help) {
    std::fputs(table.help().c_str(), stdout);
    return 0;
  }
  if (parsed.positional.size() != 1) return fail("which recording?", "reprise recover REC", ErrorKind::kUsage);
  REPRISE_ASSIGN(const run::RecoverResult result, run::recover(parsed.positional[0]));
  std::printf("%s: %llu sessions (%llu of them incomplete) from %llu events; %s\n",
              parsed.positional[0].c_str(), static_cast<unsigned long long>(result.stats.sessions),
              static_cast<unsigned long long>(result.stats.sessions_incomplete),
              static_cast<unsigned long long>(result.stats.events),
              result.ledger.balanced() ? "the ledger's sums agree" : "THE LEDGER'S SUMS DO NOT AGREE");
  for (const recording::Damage& d : result.damage) {
    std::printf("%s: %llu bytes from byte %llu could not be read: %s\n", d.file.c_str(),
                static_cast<unsigned long long>(d.bytes), static_cast<unsigned long long>(d.offset),
                d.reason.c_str());
  }
  return result.ledger.balanced() ? 0 : 1;
}

}  // namespace reprise::cli
