#include "sandbox/page.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mman.h>

#include <chrono>
#include <cstring>

namespace reprise::sandbox {
namespace {

stage::Endpoint endpoint(const Address& a) {
  stage::Endpoint out{};
  if (a.family == Address::kUnix) return out;
  const bool v4 = a.family == Address::kIp4;
  out.family = v4 ? stage::kFamilyIp4 : stage::kFamilyIp6;
  out.port = a.port;
  inet_pton(v4 ? AF_INET : AF_INET6, a.ip_or_path.c_str(), out.ip);
  return out;
}

}  // namespace

SharedPage::~SharedPage() {
  if (page_ != nullptr) munmap(page_, sizeof *page_);
}

Status SharedPage::map(int fd) {
  void* at = mmap(nullptr, sizeof(stage::Page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return fail_errno("stage: map the shared page");
  page_ = static_cast<stage::Page*>(at);
  page_->version = stage::kPageVersion;
  page_->size = sizeof(stage::Page);
  // File systems stamp by the tick of the clock, up to 10 ms in the past.
  constexpr std::chrono::milliseconds kTick{50};
  const auto began = std::chrono::system_clock::now().time_since_epoch() - kTick;
  page_->began_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(began).count();
  __atomic_store_n(&page_->magic, stage::kPageMagic, __ATOMIC_RELEASE);
  return {};
}

void SharedPage::set_clock_offset(int64_t nanoseconds) {
  if (page_ != nullptr) __atomic_store_n(&page_->clock_offset_ns, nanoseconds, __ATOMIC_RELEASE);
}

Status SharedPage::set_redirects(const StageConfig& config, const MockPorts& ports,
                                 const std::function<std::string(size_t)>& unix_alias) {
  stage::Page& p = *page_;
  if (config.local_ips.size() > stage::kMaxLocal ||
      config.recorded_dependencies.size() > stage::kMaxDependencies ||
      config.unix_dependencies.size() > stage::kMaxUnix)
    return fail("too many addresses for the preload stage", {}, ErrorKind::kEnvironment);
  p.tcp_port = ports.tcp, p.tcp6_port = ports.tcp6;
  p.dns_port = ports.dns, p.dns6_port = ports.dns6;
  for (const std::string& ip : config.local_ips)
    if (auto a = ip_address(ip, 0)) p.local[p.local_count++] = endpoint(*a);
  for (const Address& a : config.recorded_dependencies)
    if (a.family != Address::kUnix) p.dependencies[p.dependency_count++] = endpoint(a);
  for (const std::string& path : config.unix_dependencies) {
    stage::UnixAlias& u = p.unix_aliases[p.unix_count];
    // Without the '@': the subject's side puts the zero byte there.
    const std::string alias = unix_alias(p.unix_count).substr(1);
    if (path.size() >= sizeof u.path || alias.size() >= sizeof u.alias)
      return fail("Unix path is too long: " + path);
    std::memcpy(u.path, path.data(), path.size());
    std::memcpy(u.alias, alias.data(), alias.size());
    ++p.unix_count;
  }
  set_refused(config.refused);
  __atomic_store_n(&p.redirect, 1, __ATOMIC_RELEASE);
  return {};
}

void SharedPage::set_refused(const std::vector<Address>& refused) {
  stage::Page& p = *page_;
  __atomic_add_fetch(&p.refused_turn, 1, __ATOMIC_ACQ_REL);  // odd: readers wait
  p.refused_count = 0;
  for (const Address& a : refused)
    if (a.family != Address::kUnix && p.refused_count < stage::kMaxRefused)
      p.refused[p.refused_count++] = endpoint(a);
  __atomic_add_fetch(&p.refused_turn, 1, __ATOMIC_ACQ_REL);
}

Result<Address> SharedPage::origin(uint16_t port) const {
  // The subject may write anything here: copied first, then checked.
  stage::Endpoint e;
  std::memcpy(&e, &page_->origin[port], sizeof e);
  if (e.valid != 1 || (e.family != stage::kFamilyIp4 && e.family != stage::kFamilyIp6))
    return fail(fmt::format("no original destination for local port {}", port));
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(e.family == stage::kFamilyIp4 ? AF_INET : AF_INET6, e.ip, text, sizeof text);
  return ip_address(text, e.port);
}

}  // namespace reprise::sandbox
