#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/file.h"
#include "base/options.h"
#include "cli/command.h"
#include "sandbox/probe.h"

namespace reprise::cli {

namespace {

struct Check {
  bool good;
  std::string text;
};

void print(const Check& c) { std::printf("  %s  %s\n", c.good ? "yes" : "NO ", c.text.c_str()); }

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  std::string folders = path != nullptr ? path : "/usr/bin:/bin";
  for (size_t at = 0; at <= folders.size();) {
    const size_t end = std::min(folders.find(':', at), folders.size());
    const std::string candidate = folders.substr(at, end - at) + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    at = end + 1;
  }
  return {};
}

// What the loader will do with this file, from its ELF header.
std::vector<Check> look_at(const std::string& path) {
  std::vector<Check> out;
  auto content = read_file(path);
  if (!content) return {{false, content.error().message}};
  if (content->rfind("#!", 0) == 0) {
    out.push_back({true, "a script of " + content->substr(2, content->find('\n') - 2) + ": check that program"});
    return out;
  }
  Elf64_Ehdr header;
  if (content->size() < sizeof header || std::memcmp(content->data(), ELFMAG, SELFMAG) != 0) {
    return {{false, "not a program that this machine can run"}};
  }
  std::memcpy(&header, content->data(), sizeof header);
  if (header.e_ident[EI_CLASS] != ELFCLASS64) {
    return {{false, "a 32-bit program: the hook library is 64-bit and will not be loaded"}};
  }
  bool interpreter = false;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    const size_t at = header.e_phoff + size_t{i} * header.e_phentsize;
    Elf64_Phdr segment;
    if (at + sizeof segment > content->size()) break;
    std::memcpy(&segment, content->data() + at, sizeof segment);
    interpreter = interpreter || segment.p_type == PT_INTERP;
  }
  out.push_back({interpreter, interpreter ? "dynamic: the hook library will be loaded"
                                          : "static: the hook library cannot be loaded, nothing will be recorded"});
  if (content->find("ld-musl") != Bytes::npos) {
    out.push_back({false, "uses musl: the hook library needs glibc and will not be loaded"});
  }
  struct stat st;
  if (::stat(path.c_str(), &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID)) != 0) {
    out.push_back({false, "set-uid or set-gid: the loader ignores LD_PRELOAD for it"});
  }
  if (content->find("Go buildinf:") != Bytes::npos) {
    out.push_back({false, "a Go program: it makes system calls itself; its own traffic will not be recorded"});
  }
  if (content->find("io_uring_setup") != Bytes::npos) {
    out.push_back({false, "knows io_uring: what passes through it is not recorded (the recording tells if it was used)"});
  }
  return out;
}

}  // namespace

Result<int> run_doctor(const Arguments& arguments) {
  OptionTable table("reprise doctor [PROGRAM]",
                    "Says what this machine offers for recording and replaying, and what the hook can see of\n"
                    "PROGRAM.",
                    {"reprise doctor", "reprise doctor /usr/sbin/nginx"});
  REPRISE_ASSIGN(const OptionTable::Parsed parsed, table.parse(arguments));
  if (parsed.help) {
    std::fputs(table.help().c_str(), stdout);
    return 0;
  }
  bool good = true;
  std::printf("recording\n");
  for (const char* name : {"libreprise-observe.so", "libreprise-stage.so"}) {
    const bool there = ::access(hook_library(name).c_str(), R_OK) == 0;
    print({there, std::string(name) + (there ? " is in its place" : " is missing beside the program, in ../lib")});
    good = good && there;
  }
  std::printf("replaying\n");
  const sandbox::StageProbe probe = sandbox::probe(hook_library("libreprise-stage.so"));
  for (const sandbox::StageProbe::Item& item : probe.items) {
    print({item.available, item.what + (item.detail.empty() ? "" : ": " + item.detail)});
  }
  std::printf("  a replay here would use: %s\n", probe.mode.c_str());
  for (const std::string& note : probe.notes) std::printf("  given up: %s\n", note.c_str());
  for (const std::string& name : parsed.positional) {
    std::printf("%s\n", name.c_str());
    const std::string path = find_program(name);
    if (path.empty()) {
      print({false, "not found"});
      good = false;
      continue;
    }
    for (const Check& c : look_at(path)) {
      print(c);
      good = good && c.good;
    }
  }
  return good ? 0 : 1;
}

}  // namespace reprise::cli
