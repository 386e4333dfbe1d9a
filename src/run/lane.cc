#include "run/lane.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "value/refine.h"
#include "wire/registry.h"

namespace reprise::run {

using mock::Verdict;
using session::Call;

namespace {

constexpr size_t kMostOutside = 1000;

int64_t wall_ns() {
  timespec t;
  ::clock_gettime(CLOCK_REALTIME, &t);
  return int64_t(t.tv_sec) * 1000000000 + t.tv_nsec;
}

bool serves(const Address& listening, const Address& entry) {
  if (listening == entry) return true;
  return listening.family != Address::kUnix && entry.family != Address::kUnix &&
         listening.port == entry.port && (listening.is_any() || entry.is_any());
}

std::string operation_of(const wire::Operation& op) {
  const std::string shape = value::refine(op.leaves).shape;
  if (shape.empty()) return op.verb;
  const bool sql = find_leaf(op.leaves, "sql") != nullptr;
  return sql ? shape : op.verb + " " + shape;
}

std::vector<std::pair<std::string, std::string>> environment(const std::vector<std::string>& names) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const std::string& name : names) {
    if (name == "LD_PRELOAD" || name.rfind("REPRISE_", 0) == 0) continue;
    if (const char* value = std::getenv(name.c_str())) out.emplace_back(name, value);
  }
  return out;
}

}  // namespace

Lane::Lane(const ReplayOptions& options, const Plan& plan, int number, const std::atomic<bool>& stop)
    : options_(options), plan_(plan), number_(number), stop_(stop) {
  matching_.borrow = options.borrow;
  matching_.nearest = options.nearest;
  matching_.aliases = options.aliases;
}

Lane::~Lane() { close(); }

Status Lane::open() {
  REPRISE_ASSIGN(loop_, net::Loop::create());
  for (const Call* c : plan_.start_up) shared_.start_up.add(*c, matching_);
  for (const Call* c : plan_.background) shared_.background.add(*c, matching_);
  for (const Call* c : plan_.ambiguous) shared_.ambiguous.add(*c, matching_);
  for (const PlannedSession& s : plan_.sessions) {
    for (const Call* c : s.calls) {
      if (options_.borrow && c->operation.effect == wire::Effect::kRead) shared_.lent.add(*c, matching_);
    }
  }
  for (const Call* c : plan_.templates) shared_.templates.add(*c, matching_);
  matcher_ = std::make_unique<mock::Matcher>(matching_, shared_);
  REPRISE_TRY(build_stage());
  return start_subject();
}

Status Lane::build_stage() {
  sandbox::StageConfig config;
  config.argv = options_.command.empty() ? plan_.manifest.command : options_.command;
  config.cwd = plan_.manifest.directory;
  config.env = environment(plan_.manifest.environment);
  config.local_ips.assign(plan_.local_ips.begin(), plan_.local_ips.end());
  config.refused = refused_ = plan_.refused_at_start;
  config.overlay = options_.overlay;
  config.stage_library = options_.stage_library;
  if (options_.preload_only) config.mode = sandbox::StageMode::kPreload;
  for (const auto& [address, d] : plan_.book.dependencies()) {
    if (d.calls == 0) continue;
    if (address.family == Address::kUnix) {
      config.unix_dependencies.push_back(address.ip_or_path);
    } else if (d.transport == session::Transport::kUdp) {
      config.recorded_udp.push_back(address);
    } else {
      config.recorded_dependencies.push_back(address);
    }
  }
  const std::string output = options_.output_folder.empty()
                                 ? "/dev/null"
                                 : fmt::format("{}/lane-{}", options_.output_folder, number_);
  config.stdout_path = options_.output_folder.empty() ? output : output + ".out";
  config.stderr_path = options_.output_folder.empty() ? output : output + ".err";
  REPRISE_ASSIGN(stage_, sandbox::Stage::open(config));
  server_ = std::make_unique<mock::Server>(*loop_, *matcher_, plan_.book,
                                           [this](const mock::Served& s) { on_served(s); });
  const auto wanted = [this](int fd) { return stage_->original_destination(fd); };
  if (stage_->tcp_listener() >= 0) REPRISE_TRY(server_->serve(stage_->tcp_listener(), wanted));
  if (stage_->tcp6_listener() >= 0) REPRISE_TRY(server_->serve(stage_->tcp6_listener(), wanted));
  if (stage_->dns_socket() >= 0) REPRISE_TRY(server_->serve_dns(stage_->dns_socket()));
  if (stage_->dns6_socket() >= 0) REPRISE_TRY(server_->serve_dns(stage_->dns6_socket()));
  for (const auto& [address, fd] : stage_->udp_sockets()) REPRISE_TRY(server_->serve_datagrams(fd, address));
  for (const auto& [path, fd] : stage_->unix_listeners()) {
    const Address address = unix_address(path);
    REPRISE_TRY(server_->serve(fd, [address](int) -> Result<Address> { return address; }));
  }
  return {};
}

Status Lane::start_subject() {
  if (options_.clock) set_clock(plan_.manifest.started_ns);
  REPRISE_TRY(stage_->start());
  return wait_until_listening();
}

Status Lane::wait_until_listening() {
  const int64_t deadline = net::Loop::now_ns() + options_.start_timeout_ns;
  std::string missing;
  int64_t pause_ns = 2'000'000;
  while (net::Loop::now_ns() < deadline) {
    loop_->run([] { return false; }, net::Loop::now_ns() + pause_ns);
    pause_ns = std::min<int64_t>(pause_ns * 2, 50'000'000);
    if (stop_) return fail("stopped by a signal while waiting for the program to listen", {}, ErrorKind::kEnvironment);
    auto listening = stage_->listening();
    if (!listening) return fail(listening.error());
    missing.clear();
    for (const Address& entry : plan_.entries) {
      if (std::none_of(listening->begin(), listening->end(),
                       [&](const Address& a) { return serves(a, entry); })) {
        missing = to_string(entry);
      }
    }
    if (missing.empty()) return {};
    if (!stage_->alive()) {
      return fail("the program ended before it listened on " + missing + ": " + ending(),
                  "its output is in " + (options_.output_folder.empty() ? "--output" : options_.output_folder),
                  ErrorKind::kEnvironment);
    }
  }
  return fail(fmt::format("the program does not listen on {} after {} s", missing,
                          options_.start_timeout_ns / 1000000000),
              "its output is in " + options_.output_folder + "; --start-timeout waits longer",
              ErrorKind::kEnvironment);
}

std::string Lane::ending() {
  const auto exited = stage_->exited();
  if (!exited) return "it is gone";
  return exited->signal != 0 ? fmt::format("ended by signal {} ({})", exited->signal, strsignal(exited->signal))
                             : fmt::format("ended with exit code {}", exited->code);
}

void Lane::set_clock(int64_t recorded_ns) {
  const int64_t offset = recorded_ns - wall_ns();
  stage_->set_clock_offset(offset);
  server_->set_clock_offset(offset);
}

void Lane::set_refused(const std::vector<Address>& refused) {
  if (refused == refused_) return;
  if (stage_->set_refused(refused)) refused_ = refused;
}

CallResult Lane::describe(const mock::Served& s) const {
  CallResult c;
  c.verdict = s.decision.verdict;
  c.protocol = wire::name(s.protocol);
  c.dependency = to_string(s.dependency);
  c.label = s.operation != nullptr ? s.operation->label : "(connection)";
  c.operation = s.operation != nullptr ? operation_of(*s.operation) : "(connection)";
  if (s.decision.nearest != nullptr) c.nearest = s.decision.nearest->operation.label;
  c.differences = s.decision.differences;
  c.reason = s.decision.reason;
  c.write = s.operation != nullptr && s.operation->effect == wire::Effect::kWrite;
  return c;
}

void Lane::on_served(const mock::Served& s) {
  if (s.decision.verdict == Verdict::kTemplate) return;
  CallResult c = describe(s);
  if (in_session_) {
    calls_.push_back(std::move(c));
    answered_by_.push_back(s.decision.answer);
  } else if (outside_.size() < kMostOutside) {
    outside_.push_back(std::move(c));
  }
}

Result<drive::Client*> Lane::client_for(const PlannedSession& planned) {
  const Call& in = planned.session->inbound;
  const auto it = clients_.find(in.stream);
  if (it != clients_.end() && it->second->usable()) return it->second.get();
  clients_.erase(in.stream);
  std::optional<Address> from;
  if (in.peer.family != Address::kUnix && !in.peer.ip_or_path.empty()) from = in.peer;
  auto fd = stage_->connect(in.local, from, std::chrono::milliseconds(5000));
  if (!fd) return fail(fd.error());
  auto client = std::make_unique<drive::Client>(*loop_, *fd, in.protocol, plan_.message_limit);
  drive::Client* raw = client.get();
  clients_[in.stream] = std::move(client);
  return raw;
}

void Lane::wait_for_late_calls(const PlannedSession& planned) {
  std::vector<const Call*> unused = matcher_->unused();
  if (unused.empty()) return;
  // Work after the answer takes as long as it took; a call that should have come before it has 20 ms.
  int64_t patience = 20'000'000;
  for (const Call* c : unused) {
    const int64_t after = c->request_ns - planned.session->inbound.answer_end_ns;
    if (after > 0) patience = std::max(patience, after + 200'000'000);
  }
  patience = std::min<int64_t>(patience, 5'000'000'000);
  loop_->run([this] { return matcher_->unused().empty(); }, net::Loop::now_ns() + patience);
}

SessionResult Lane::run(const PlannedSession& planned) {
  const Call& in = planned.session->inbound;
  SessionResult result;
  result.id = planned.session->id;
  result.label = in.operation.label;
  result.operation = operation_of(in.operation);
  result.recorded_ns = in.answer_end_ns - in.request_ns;
  const auto describe_answer = wire::entry(in.protocol).describe_answer;
  if (in.answered) result.recorded_answer = describe_answer(in.request, in.operation, in.answer).label;
  if (!planned.cannot.empty()) {
    result.outcome = Outcome::kRefused;
    result.reason = planned.cannot;
    return result;
  }
  mock::Pool pool;
  for (const Call* c : planned.calls) pool.add(*c, matching_);
  set_refused(planned.refused);
  if (options_.clock) set_clock(in.request_ns);
  matcher_->begin(&pool);
  calls_.clear(), answered_by_.clear();
  in_session_ = true;
  drive::Exchange failed;
  const drive::Exchange* exchange = &failed;
  auto client = client_for(planned);
  if (client) {
    const bool wants = in.kind == session::CallKind::kExchange;
    (*client)->start(in.request, wants, in.answer.size());
    exchange = &(*client)->exchange();
    const int64_t limit = options_.answer_timeout_ns + 2 * result.recorded_ns;
    loop_->run([&] { return exchange->state != drive::Exchange::State::kRunning; },
               net::Loop::now_ns() + limit);
  } else {
    failed.state = drive::Exchange::State::kFailed;
    failed.reason = client.error().message;
  }
  if (exchange->state == drive::Exchange::State::kAnswered) wait_for_late_calls(planned);
  judge(planned, *exchange, result);
  in_session_ = false;
  matcher_->begin(nullptr);
  if (planned.last_on_stream || exchange->state != drive::Exchange::State::kAnswered) {
    clients_.erase(in.stream);
  }
  return result;
}

void Lane::judge(const PlannedSession& planned, const drive::Exchange& exchange, SessionResult& result) {
  using State = drive::Exchange::State;
  const Call& in = planned.session->inbound;
  const auto describe_answer = wire::entry(in.protocol).describe_answer;
  result.live_ns = exchange.done_ns - exchange.sent_ns;
  result.calls = std::move(calls_);
  // A write that overtook an earlier recorded call of the same dependency.
  int64_t newest = 0;
  for (size_t i = 0; i < result.calls.size(); ++i) {
    if (answered_by_[i] == nullptr) continue;
    const int64_t at = result.calls[i].recorded_ns = answered_by_[i]->request_ns;
    result.calls[i].reordered = result.calls[i].write && at < newest;
    newest = std::max(newest, at);
  }
  bool changed = false, missed = false;
  for (const CallResult& c : result.calls) {
    changed = changed || c.verdict == Verdict::kMiss || c.verdict == Verdict::kDrift ||
              c.verdict == Verdict::kRefused || c.reordered ||
              (c.verdict == Verdict::kNearest && !c.differences.empty());  // a guess, by --on-miss
  }
  for (const Call* c : matcher_->unused()) {
    CallResult unused;
    unused.verdict = Verdict::kUnused;
    unused.protocol = wire::name(c->protocol);
    unused.dependency = to_string(c->peer);
    unused.label = c->operation.label;
    unused.operation = operation_of(c->operation);
    unused.recorded_ns = c->request_ns;
    unused.write = c->operation.effect == wire::Effect::kWrite;
    result.calls.push_back(std::move(unused));
    missed = true;
  }
  if (exchange.state == State::kRunning) {
    result.outcome = Outcome::kHung;
    result.reason = fmt::format("no complete answer after {:.1f} s",
                                double(options_.answer_timeout_ns + 2 * result.recorded_ns) / 1e9);
    return;
  }
  if (exchange.state != State::kAnswered) {
    // A crash closes its connections a moment before the process is gone.
    loop_->run([this] { return !stage_->alive(); }, net::Loop::now_ns() + 20'000'000);
    const bool dead = !stage_->alive();
    result.reason = exchange.reason + (dead ? "; the program " + ending() : "");
    result.outcome = dead ? Outcome::kCrashed : Outcome::kChanged;
    result.live_answer = "(no answer: " + exchange.reason + ")";
    result.answer.push_back({compare::Kind::kStatus, "answer", result.recorded_answer, result.live_answer});
    return;
  }
  if (in.answered) {
    const wire::Answer recorded = describe_answer(in.request, in.operation, in.answer);
    const wire::Answer live = describe_answer(in.request, in.operation, exchange.answer);
    result.live_answer = live.label;
    compare::Rules rules = compare::default_rules();
    rules.ignore = options_.ignore;
    rules.recorded_ns = in.answer_ns;
    result.answer = compare::compare_answers(recorded, live, rules);
    if (exchange.unasked) {
      result.answer.push_back({compare::Kind::kAdded, "answer", "", "(more came behind it, unasked)"});
    }
    const bool cut = in.answer.size() < in.answer_size;
    if (cut && in.answer_size != exchange.answer_size) {
      result.answer.push_back({compare::Kind::kValue, "answer.length", std::to_string(in.answer_size),
                               std::to_string(exchange.answer_size)});
    } else if (cut && in.answer_digest != exchange.answer_digest && !changed &&
               !compare::differs(result.answer)) {
      // The digest covers the head, with its dates; the bytes themselves are not there any more.
      result.outcome = Outcome::kRefused;
      result.reason = fmt::format("its answer was cut at {} of {} bytes (--limit): the rest cannot be compared",
                                  in.answer.size(), in.answer_size);
      return;
    }
    changed = changed || std::any_of(result.answer.begin(), result.answer.end(),
                                     [](const compare::Difference& d) { return !d.forgiven; });
  }
  result.outcome = changed ? Outcome::kChanged : missed ? Outcome::kMissedCalls : Outcome::kSame;
}

std::vector<sandbox::Leak> Lane::leaks() {
  return stage_ != nullptr ? stage_->leaks() : std::vector<sandbox::Leak>();
}

std::string Lane::untimely_end() {
  // A crash right behind the last answer takes a moment to be seen.
  loop_->run([this] { return !stage_->alive(); }, net::Loop::now_ns() + 50'000'000);
  const auto exited = stage_->exited();
  if (!exited || (exited->signal == 0 && (exited->code == 0 || stage_->alive()))) return {};
  return "the program " + ending() + " after its last answer";
}

void Lane::close() {
  clients_.clear();
  server_.reset();
  if (stage_ != nullptr) stage_->stop();
  stage_.reset();
}

}  // namespace reprise::run
