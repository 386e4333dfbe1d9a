// The stage that a replayed program runs in: nothing leaves it, nothing stays of it.
//
//   caller ── SOCK_SEQPACKET ── init (PID 1 of the stage) ── subject and its children
//
// The caller never enters a namespace. It starts a keeper (its own binary again, `__stage-init`),
// which makes the namespaces and forks PID 1. Both die with the caller, even when that is killed by
// SIGKILL, and with PID 1 the kernel ends every process, mount, socket and rule of the stage.
//
// Inside, the file system is a private overlay of the machine's, every address has a local route,
// and nftables turns each outbound connection to the mock's listener; the original destination is
// asked of the accepted socket. Calls of one Stage may come from any thread; one runs at a time.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/result.h"

namespace reprise::sandbox {

// kAuto: namespaces, else preload (which needs a stage library).
enum class StageMode : uint8_t { kAuto, kNamespaces, kPreload };

struct StageConfig {
  std::vector<std::string> argv;  // argv[0] is looked up in the PATH of env, if it has no slash
  std::string cwd = "/";
  std::vector<std::pair<std::string, std::string>> env;  // complete: nothing is inherited
  std::string hostname;                                  // empty: the machine's
  // Addresses that were the subject's own when recorded. They are put on lo; the first of each
  // family is the source of its outbound connections. Client addresses need not be named: every
  // address is local inside (AnyIP), so the driver may bind any.
  std::vector<std::string> local_ips;
  // Played by the mock even if the address is local. Any other non-local TCP destination goes to
  // the mock too; a local one that is not listed is reached for real or refused for real.
  std::vector<Address> recorded_dependencies;
  std::vector<Address> recorded_udp;           // each gets a socket of its own: udp_sockets()
  std::vector<std::string> unix_dependencies;  // stream sockets; '@name' is an abstract one
  std::vector<Address> refused;                // TCP, answered by a reset at once

  bool overlay = true;                     // false: the subject writes to the real file system
  uint64_t overlay_bytes = 0;              // limit of what a lane may write; 0: half the memory
  std::vector<std::string> keep_writable;  // real paths kept real inside (big data directories)
  std::vector<std::string> hide;           // paths that look empty inside
  // An ordinary user only: appear as uid 0 inside. With subordinate ids (newuidmap) programs that
  // drop privileges work too. Off: the subject keeps the caller's uid.
  bool fake_root = false;
  StageMode mode = StageMode::kAuto;
  std::string fallback_reason;  // set by Stage::open; becomes a note

  std::string stage_library;             // libreprise-stage.so, copied inside; empty: no preload
  std::string stdout_path, stderr_path;  // outside the stage, appended to; empty: inherited
};

struct ExitState {
  int code = 0;    // exit status, if signal is 0
  int signal = 0;  // what killed it
};

// Something the subject tried to send that no mock could answer. It was dropped or rejected.
struct Leak {
  Address to;  // port 0 if the protocol has none
  std::string protocol;
  bool operator==(const Leak&) const = default;
};

class Stage {  // one lane
 public:
  // Builds the stage up to, but without, the subject.
  static Result<std::unique_ptr<Stage>> open(const StageConfig& config);
  virtual ~Stage() = default;
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // "root namespaces", "user namespaces" or "preload".
  virtual std::string mode() const = 0;
  // What was given up on this machine, one sentence each.
  virtual std::vector<std::string> notes() const = 0;

  // Sockets of the mock inside the stage: non-blocking, owned by the Stage, -1 if there is none.
  // Every outbound TCP connection arrives at one of the first two.
  virtual int tcp_listener() const = 0;
  virtual int tcp6_listener() const = 0;
  virtual int dns_socket() const = 0;  // UDP, bound to 127.0.0.1; answers must leave by it
  virtual int dns6_socket() const = 0;
  virtual std::vector<std::pair<Address, int>> udp_sockets() const = 0;
  virtual std::vector<std::pair<std::string, int>> unix_listeners() const = 0;
  // Where a connection accepted from tcp_listener() or tcp6_listener() wanted to go.
  virtual Result<Address> original_destination(int accepted) const = 0;

  // A connection from inside, as a client's: connected, non-blocking, close-on-exec; the caller
  // owns it. `from` is bound if it can be: with its port, else without, else not at all.
  virtual Result<int> connect(const Address& to, const std::optional<Address>& from,
                              std::chrono::milliseconds timeout) = 0;
  // What listens inside now (TCP and Unix streams), without the mock's own sockets.
  virtual Result<std::vector<Address>> listening() = 0;

  virtual Status start() = 0;  // runs the subject; once
  // Any process of the subject, also one that it left in the background.
  virtual bool alive() = 0;
  // How the process that start() made ended; a daemon's first process ends early with 0.
  virtual std::optional<ExitState> exited() = 0;
  // As the machine sees it; 0 before start().
  virtual pid_t pid() const = 0;

  // TCP addresses that refuse from now on. A change costs 10 ms, the same list again nothing.
  virtual Status set_refused(const std::vector<Address>& refused) = 0;
  virtual void set_clock_offset(int64_t nanoseconds) = 0;  // needs the stage library
  virtual std::vector<Leak> leaks() = 0;

  // SIGTERM, at most `grace` for an orderly end, then SIGKILL for all. Done by the destructor too.
  virtual void stop(std::chrono::milliseconds grace = std::chrono::seconds(5)) = 0;

 protected:
  Stage() = default;
};

// Entry of the hidden command `__stage-init`. Whoever calls Stage::open must dispatch to it, as the
// first thing in main, when argv[1] is kStageInit: the keeper is the same binary started again.
inline constexpr const char* kStageInit = "__stage-init";
int stage_init_main(int argc, char** argv);

// SO_ORIGINAL_DST of an accepted connection, for either family.
Result<Address> original_destination_by_nat(int accepted);

}  // namespace reprise::sandbox
