// What this machine offers for stages, with reasons; for `reprise doctor`.
#pragma once

#include <string>
#include <vector>

namespace reprise::sandbox {

struct StageProbe {
  struct Item {
    std::string what;
    bool available = false;
    std::string detail;  // what was found, or why not and what to do
  };
  std::string mode;                // what Stage::open will choose: Stage::mode(), or "none"
  std::vector<std::string> notes;  // what is given up in that mode
  std::vector<Item> items;
};

// Opens and closes a real stage, so it takes some 20 ms and needs stage_init_main to be reachable.
// `stage_library`: path of libreprise-stage.so, or empty.
StageProbe probe(const std::string& stage_library);

}  // namespace reprise::sandbox
