#include "sandbox/descendants.h"

#include <dirent.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>

namespace reprise::sandbox {
namespace {

template <class F>
void for_each_entry(const std::string& folder, F f) {
  DIR* dir = opendir(folder.c_str());
  if (dir == nullptr) return;
  while (const dirent* entry = readdir(dir)) f(entry->d_name);
  closedir(dir);
}

}  // namespace

std::vector<pid_t> descendants() {
  std::map<pid_t, pid_t> parents;
  for_each_entry("/proc", [&](const char* name) {
    const pid_t pid = std::atoi(name);
    if (pid <= 0) return;
    std::ifstream file("/proc/" + std::string(name) + "/stat");
    std::string line;
    std::getline(file, line);
    // "pid (any name) S ppid ...": the name may hold anything, so from its last bracket.
    const size_t end = line.rfind(')');
    char state = 0;
    int parent = 0;
    if (end == line.npos || std::sscanf(line.c_str() + end + 1, " %c %d", &state, &parent) != 2 ||
        state == 'Z')
      return;
    parents[pid] = parent;
  });
  std::vector<pid_t> out;
  const pid_t self = getpid();
  for (const auto& [pid, parent] : parents) {
    pid_t up = parent;
    for (int depth = 0; up > 1 && up != self && depth < 1000; ++depth) {
      const auto it = parents.find(up);
      up = it == parents.end() ? 0 : it->second;
    }
    if (up == self) out.push_back(pid);
  }
  return out;
}

std::set<uint64_t> socket_inodes(const std::vector<pid_t>& processes) {
  std::set<uint64_t> out;
  for (const pid_t pid : processes) {
    const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
    for_each_entry(folder, [&](const char* name) {
      char link[64] = {};
      unsigned long long inode = 0;
      if (readlink((folder + "/" + name).c_str(), link, sizeof link - 1) > 0 &&
          std::sscanf(link, "socket:[%llu]", &inode) == 1)
        out.insert(inode);
    });
  }
  return out;
}

}  // namespace reprise::sandbox
