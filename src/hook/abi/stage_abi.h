// The contract between libreprise-stage.so, inside the subject, and the replay, outside it.
//
// One shared page (a file of the stage, or an inherited memfd). The replay writes `clock_offset_ns`
// and the redirect tables; the subject reads them at every call, and writes only the `origin`
// table.
//
//   Page
//     clock_offset_ns   added to every wall clock; 0 = the true time
//     began_ns          only file times after this are shifted, or unchanged files would change
//                       their ETag and Last-Modified
//     redirect          the fallback without namespaces: outbound connects go to the mock
//       local[], dependencies[], refused[]   what is ours, played or refused
//       origin[port]    written by the subject before it connects to the mock: the original
//                       destination of the connection whose local port is `port`
//
// Trust: the subject's memory is hostile to the replay. The replay copies an origin before it
// checks it. kPageVersion changes when a struct here changes layout or a variable its meaning.
//
// Included by the hook library: nothing but <stdint.h>. Atomics are the compiler's __atomic_*.
#pragma once

#include <stdint.h>

namespace reprise::stage {

constexpr uint64_t kPageMagic = 0x3145474154535252;  // "RRSTAGE1"
constexpr uint32_t kPageVersion = 1;

// The environment of the subject: the page's path, or its descriptor.
constexpr const char* kPageVariable = "REPRISE_STAGE_PAGE";
constexpr const char* kFdVariable = "REPRISE_STAGE_FD";

constexpr uint8_t kFamilyNone = 0, kFamilyIp4 = 4, kFamilyIp6 = 6;

struct Endpoint {
  uint8_t ip[16];  // network order; IPv4 in the first four
  uint16_t port;   // host order
  uint8_t family;
  uint8_t valid;  // origin[]: stored last
};
static_assert(sizeof(Endpoint) == 20);

constexpr uint32_t kMaxLocal = 256, kMaxDependencies = 1024, kMaxRefused = 256, kMaxUnix = 64;
constexpr uint32_t kUnixPathSize = 108;

// A recorded Unix path and where the mock listens instead: an abstract name made of `alias`.
struct UnixAlias {
  char path[kUnixPathSize];
  char alias[kUnixPathSize];  // without the leading zero byte; both end with a zero
};

struct Page {
  uint64_t magic;
  uint32_t version;
  uint32_t size;
  int64_t clock_offset_ns;
  int64_t began_ns;   // true wall time when the stage was opened: files changed later are its own
  uint32_t redirect;  // 1: the tables below are in force
  uint16_t tcp_port, tcp6_port, dns_port, dns6_port;   // the mock, on 127.0.0.1 and ::1
  uint32_t local_count, dependency_count, unix_count;  // fixed once the subject runs
  uint32_t refused_count, refused_turn;                // turn: odd while the table changes
  Endpoint local[kMaxLocal];                           // ports unused
  Endpoint dependencies[kMaxDependencies];
  Endpoint refused[kMaxRefused];
  UnixAlias unix_aliases[kMaxUnix];
  Endpoint origin[65536];
};

}  // namespace reprise::stage
