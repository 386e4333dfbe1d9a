#include "sandbox/scenery.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "sandbox/network.h"
#include "sandbox/process.h"
#include "sandbox/root.h"
#include "sandbox/sockets.h"

namespace reprise::sandbox {
namespace {

constexpr std::chrono::milliseconds kToolTime{10'000};

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

uint16_t own_port(int socket) {
  SockAddr own;
  if (getsockname(socket, own.get(), own.room()) != 0) return 0;
  auto address = from_sockaddr(own.get(), own.length());
  return address ? address->port : 0;
}

class Builder {
 public:
  Builder(InitContext& context, Scenery& scenery)
      : c_(context), config_(context.config), s_(scenery) {}

  Result<Message> build() {
    if (c_.kind == "preload") {
      REPRISE_TRY(build_preload());
    } else {
      REPRISE_TRY(build_namespaces());
    }
    ready_.fields.insert(ready_.fields.begin(), {"ready", c_.kind, pack(c_.notes)});
    return std::move(ready_);
  }

 private:
  Status build_namespaces() {
    if (!config_.hostname.empty() &&
        sethostname(config_.hostname.data(), config_.hostname.size()) != 0)
      c_.notes.push_back(fmt::format("host name not set: {}", std::strerror(errno)));
    REPRISE_TRY(set_up_network(config_, c_.notes));
    REPRISE_ASSIGN(private_files_, enter_new_root(config_, c_.kind == "user", c_.notes));
    auto rules = run_tool("nft", {"-f", "-"}, nft_rules(config_), kToolTime);
    if (!rules) return fail(rules.error());

    REPRISE_TRY(open_mock("tcp", {Address::kIp4, "127.0.0.1", kTcpPort}, SOCK_STREAM));
    REPRISE_TRY(open_mock("dns", {Address::kIp4, "127.0.0.1", kDnsPort}, SOCK_DGRAM));
    if (!open_mock("tcp6", {Address::kIp6, "::1", kTcpPort}, SOCK_STREAM) ||
        !open_mock("dns6", {Address::kIp6, "::1", kDnsPort}, SOCK_DGRAM))
      c_.notes.push_back("no IPv6 inside");
    uint16_t port = kUdpPort;
    for (const Address& a : config_.recorded_udp) {
      if (a.family == Address::kUnix) continue;
      const char* ip = a.family == Address::kIp4 ? "127.0.0.1" : "::1";
      REPRISE_TRY(open_mock("udp " + to_string(a), {a.family, ip, port++}, SOCK_DGRAM));
    }
    mkdir(kStageFolder, 0755);
    for (const std::string& path : config_.unix_dependencies) {
      if (auto covered = cover(path); !covered)
        c_.notes.push_back(fmt::format("{} is not covered: {}", path, covered.error().message));
    }
    REPRISE_TRY(put_files());
    return {};
  }

  // The subject in the machine's own network and file system, redirected by the preload library.
  Status build_preload() {
    if (config_.stage_library.empty())
      return fail("the preload stage needs libreprise-stage.so", {}, ErrorKind::kEnvironment);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (!config_.fallback_reason.empty())
      c_.notes.push_back("no namespaces (" + config_.fallback_reason + ")");
    for (const char* note :
         {"what the subject writes is real, and so are the ports it listens on: one lane only",
          "static programs, raw system calls and io_uring are not redirected: they reach the "
          "network",
          "recorded UDP other than DNS is not played",
          "what else listens on this machine (loopback, Unix sockets) is reached for real"})
      c_.notes.emplace_back(note);
    REPRISE_TRY(open_mock("tcp", {Address::kIp4, "127.0.0.1", 0}, SOCK_STREAM));
    REPRISE_TRY(open_mock("dns", {Address::kIp4, "127.0.0.1", 0}, SOCK_DGRAM));
    (void)open_mock("tcp6", {Address::kIp6, "::1", 0}, SOCK_STREAM).has_value();
    (void)open_mock("dns6", {Address::kIp6, "::1", 0}, SOCK_DGRAM).has_value();
    for (size_t i = 0; i < config_.unix_dependencies.size(); ++i)
      REPRISE_TRY(open_mock("unix " + config_.unix_dependencies[i], unix_address(unix_alias(i)),
                            SOCK_STREAM));
    s_.page_fd.reset(memfd_create("reprise-page", MFD_CLOEXEC));
    if (!s_.page_fd || ftruncate(s_.page_fd.get(), sizeof(stage::Page)) != 0)
      return fail_errno("stage: page");
    REPRISE_TRY(s_.page.map(s_.page_fd.get()));
    MockPorts ports;
    for (size_t i = 0; i < ready_.fields.size(); ++i) {
      const uint16_t port = own_port(ready_.fds[i].get());
      if (ready_.fields[i] == "tcp") ports.tcp = port;
      if (ready_.fields[i] == "tcp6") ports.tcp6 = port;
      if (ready_.fields[i] == "dns") ports.dns = port;
      if (ready_.fields[i] == "dns6") ports.dns6 = port;
    }
    REPRISE_TRY(s_.page.set_redirects(config_, ports, [](size_t i) { return unix_alias(i); }));
    ready_.fields.emplace_back("page");
    ready_.fds.emplace_back(fcntl(s_.page_fd.get(), F_DUPFD_CLOEXEC, 0));
    preload(config_.stage_library);
    config_.env.emplace_back(stage::kFdVariable, std::to_string(kSubjectPageFd));
    config_.env.emplace_back(stage::kPageVariable,
                             fmt::format("/proc/{}/fd/{}", getpid(), s_.page_fd.get()));
    return {};
  }

  static std::string unix_alias(size_t i) { return fmt::format("@reprise-{}-{}", getpid(), i); }

  Status open_mock(std::string label, const Address& address, int type) {
    REPRISE_ASSIGN(Fd fd, bound_socket(address, type));
    if (ready_.fds.size() + 2 > kMaxFds) return fail("stage: too many dependencies to listen for");
    ready_.fields.push_back(std::move(label));
    ready_.fds.push_back(std::move(fd));
    return {};
  }

  bool is_real(const std::string& path) const {
    if (!private_files_) return true;
    return std::any_of(
        config_.keep_writable.begin(), config_.keep_writable.end(),
        [&](const std::string& kept) { return path.starts_with(kept + "/") || path == kept; });
  }

  // The mock listens at `path`. On private files the socket is simply made there. A real socket
  // must not be touched: the mock's is mounted over it, or over its folder if there is none yet.
  Status cover(const std::string& path) {
    if (path.starts_with('@') || path.starts_with("/dev/") || !is_real(path)) {
      make_parents(path);
      return open_mock("unix " + path, unix_address(path), SOCK_STREAM);
    }
    if (access(path.c_str(), F_OK) != 0) {
      const std::string folder = path.substr(0, path.rfind('/'));
      if (folder.empty() || mount("reprise", folder.c_str(), "tmpfs", 0, "mode=0755") != 0)
        return fail_errno("mount over " + folder);
      c_.notes.push_back(folder + " is empty inside: the mock listens in it");
      return open_mock("unix " + path, unix_address(path), SOCK_STREAM);
    }
    const std::string ours = fmt::format("{}/unix-{}", kStageFolder, ready_.fds.size());
    REPRISE_TRY(open_mock("unix " + path, unix_address(ours), SOCK_STREAM));
    if (mount(ours.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0)
      return fail_errno("mount over " + path);
    return {};
  }

  // The clock page and the preload library, where any user inside can read them.
  Status put_files() {
    if (config_.stage_library.empty()) return {};
    const std::string page = std::string(kStageFolder) + "/page";
    const std::string library = std::string(kStageFolder) + "/libreprise-stage.so";
    Fd fd(::open(page.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!fd || ftruncate(fd.get(), sizeof(stage::Page)) != 0) return fail_errno("stage: " + page);
    const std::string code = read_all(config_.stage_library.c_str());
    std::ofstream out(library, std::ios::binary);
    out << code;
    out.close();
    if (code.empty() || !out.good())
      return fail("stage: cannot copy " + config_.stage_library, {}, ErrorKind::kEnvironment);
    chmod(library.c_str(), 0755);
    ready_.fields.emplace_back("page");
    ready_.fds.push_back(std::move(fd));
    preload(library);
    config_.env.emplace_back(stage::kPageVariable, page);
    return {};
  }

  void preload(const std::string& library) {
    std::string list = library;
    for (const auto& [name, value] : config_.env)
      if (name == "LD_PRELOAD" && !value.empty()) list += ":" + value;
    std::erase_if(config_.env, [](const auto& e) { return e.first == "LD_PRELOAD"; });
    config_.env.emplace_back("LD_PRELOAD", list);
  }

  InitContext& c_;
  StageConfig& config_;
  Scenery& s_;
  Message ready_;
  bool private_files_ = false;
};

}  // namespace

Result<Message> build_scenery(InitContext& context, Scenery& scenery) {
  return Builder(context, scenery).build();
}

}  // namespace reprise::sandbox
