// The keeper is this test's own binary started again, so main dispatches as the program's does.
#include <gtest/gtest.h>

#include <string_view>

#include "sandbox/stage.h"

int main(int argc, char** argv) {
  if (argc > 1 && argv[1] == std::string_view(reprise::sandbox::kStageInit))
    return reprise::sandbox::stage_init_main(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
