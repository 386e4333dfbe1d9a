#include "sandbox/probe.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

#include "sandbox/process.h"
#include "sandbox/stage.h"

namespace reprise::sandbox {
namespace {

// The first word of a file; empty if there is none.
std::string word_of(const char* path) {
  std::ifstream file(path);
  std::string out;
  file >> out;
  return out;
}

StageProbe::Item user_namespaces() {
  StageProbe::Item item{"user namespaces for ordinary users", true, ""};
  const auto refuse = [&](std::string why) {
    item.available = false, item.detail = std::move(why);
  };
  if (word_of("/proc/sys/user/max_user_namespaces") == "0")
    refuse("sysctl user.max_user_namespaces is 0");
  if (word_of("/proc/sys/kernel/unprivileged_userns_clone") == "0")
    refuse("sysctl kernel.unprivileged_userns_clone is 0: set it to 1");
  if (word_of("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1")
    refuse("AppArmor restricts them: sysctl kernel.apparmor_restrict_unprivileged_userns=0");
  if (access("/proc/self/ns/user", F_OK) != 0) refuse("the kernel has none");
  return item;
}

StageProbe::Item tool(const char* what, const char* name, const char* package) {
  const std::string path = find_tool(name);
  return {what, !path.empty(), path.empty() ? fmt::format("apt install {}", package) : path};
}

}  // namespace

StageProbe probe(const std::string& stage_library) {
  StageProbe out;
  utsname name{};
  uname(&name);
  out.items.push_back({"kernel", true, name.release});
  out.items.push_back(
      {"root", geteuid() == 0, geteuid() == 0 ? "" : "not needed; a user namespace is used"});
  out.items.push_back(user_namespaces());
  out.items.push_back(tool("nft, for redirection", "nft", "nftables"));
  out.items.push_back(
      tool("newuidmap, for programs that change their user", "newuidmap", "uidmap"));
  const bool library = !stage_library.empty() && access(stage_library.c_str(), R_OK) == 0;
  out.items.push_back({"stage library, for the clock and as the fallback", library,
                       library ? stage_library : "libreprise-stage.so was not found"});

  StageConfig config;
  config.argv = {"/bin/true"};
  config.stage_library = library ? stage_library : "";
  config.mode = StageMode::kNamespaces;
  auto stage = Stage::open(config);
  out.items.push_back({"a stage of namespaces", stage.has_value(),
                       stage ? (*stage)->mode() : stage.error().message});
  if (!stage && library) {
    config.mode = StageMode::kPreload;
    config.fallback_reason = stage.error().message;
    stage = Stage::open(config);
  }
  out.mode = stage ? (*stage)->mode() : "none";
  if (stage) out.notes = (*stage)->notes();
  return out;
}

}  // namespace reprise::sandbox
