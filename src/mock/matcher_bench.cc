// One matching decision among 100 candidates of one operation, the last of which is the right one.
#include <benchmark/benchmark.h>

#include "mock/matcher.h"
#include "wire/registry.h"

namespace reprise::mock {
namespace {

session::Call http_call(int n) {
  session::Call c;
  c.protocol = wire::Protocol::kHttp1;
  c.peer = *parse_address("10.0.0.5:80");
  c.answered = true;
  c.request = fmt::format(
      "GET /user/{}/orders?page=1&token=0af7651916cd43dd8448eb211c80{:04d} HTTP/1.1\r\nHost: users\r\n"
      "Accept: application/json\r\nUser-Agent: bench\r\n\r\n", n, n);
  std::vector<wire::Message> messages;
  wire::entry(c.protocol).make_codec({})->feed(wire::Dir::kRequest, c.request, 1, messages);
  c.operation = messages.at(0).operation;
  return c;
}

session::Call sql_call(int n) {
  session::Call c;
  c.protocol = wire::Protocol::kMysql;
  c.peer = *parse_address("10.0.0.6:3306");
  c.answered = true;
  c.operation.verb = "EXECUTE";
  c.operation.effect = wire::Effect::kRead;
  c.operation.leaves = {{"sql", "SELECT id, name, price FROM item WHERE id = ? AND shop = ?", LeafForm::kSql},
                        {"param.0", std::to_string(n), LeafForm::kNumber},
                        {"param.1", "berlin"}};
  return c;
}

template <class Make>
void decide(benchmark::State& state, Make make) {
  std::vector<session::Call> calls;
  for (int i = 0; i < 100; ++i) calls.push_back(make(i));
  const MatcherOptions options;
  SharedPools shared;
  Pool pool;
  for (const session::Call& c : calls) pool.add(c, options);
  Matcher matcher(options, shared);
  matcher.begin(&pool);
  const session::Call live = make(99);
  for (auto _ : state) {
    Decision d = matcher.match({live.protocol, live.peer, &live.operation, 0});
    if (d.verdict != Verdict::kExact) state.SkipWithError("not exact");
    for (auto& c : pool.candidates()) c->uses = 0;
    benchmark::DoNotOptimize(d);
  }
}

void http(benchmark::State& state) { decide(state, http_call); }
void sql(benchmark::State& state) { decide(state, sql_call); }
BENCHMARK(http)->Repetitions(20)->ReportAggregatesOnly()->Unit(benchmark::kMicrosecond);
BENCHMARK(sql)->Repetitions(20)->ReportAggregatesOnly()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace reprise::mock
