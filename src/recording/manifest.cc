#include "recording/recording.h"

namespace reprise::recording {

namespace {

constexpr const char* kTransports[] = {"tcp", "udp", "unix"};

void write_strings(JsonWriter& w, const char* key, const std::vector<std::string>& values) {
  w.key(key).begin_array();
  for (const std::string& v : values) w.string(v);
  w.end_array();
}

}  // namespace

std::string Manifest::to_json() const {
  std::string out;
  JsonWriter w(out, true);
  w.begin_object();
  w.field("format", format).field("program_version", program_version).field("hook_abi", hook_abi);
  w.field("source", source).field("started_ns", started_ns).field("ended_ns", ended_ns);
  w.field("host", host).field("kernel", kernel);
  write_strings(w, "command", command);
  w.field("directory", directory);
  write_strings(w, "environment", environment);
  w.key("listeners").begin_array();
  for (const session::Listener& l : listeners) {
    w.begin_object().field("address", reprise::to_string(l.address));
    w.field("transport", std::string_view(kTransports[static_cast<size_t>(l.transport)]))
        .end_object();
  }
  w.end_array();
  w.key("names").begin_array();
  for (const session::Resolution& n : names) {
    w.begin_object().field("name", n.name).field("result", n.result).key("addresses").begin_array();
    for (const Address& a : n.addresses) w.string(a.ip_or_path);
    w.end_array().end_object();
  }
  w.end_array();
  w.field("redacted", redacted);
  write_strings(w, "notes", notes);
  w.end_object();
  out += '\n';
  return out;
}

Result<Manifest> Manifest::from_json(const std::string& text) {
  REPRISE_ASSIGN(const Json j, parse_json(text));
  Manifest m;
  m.format = static_cast<int>(j.integer_or("format", -1));
  if (m.format < 1) return fail("not the manifest of a recording");
  if (m.format > kFormat) {
    return fail(fmt::format("written in format {}, this program reads up to {}", m.format, kFormat),
                "use a newer reprise");
  }
  m.program_version = j.string_or("program_version");
  m.hook_abi = static_cast<uint32_t>(j.integer_or("hook_abi"));
  m.source = j.string_or("source");
  m.started_ns = j.integer_or("started_ns");
  m.ended_ns = j.integer_or("ended_ns");
  m.host = j.string_or("host");
  m.kernel = j.string_or("kernel");
  m.command = j.strings("command");
  m.directory = j.string_or("directory");
  m.environment = j.strings("environment");
  m.redacted = j.bool_or("redacted");
  m.notes = j.strings("notes");
  if (const Json* list = j.get("listeners")) {
    for (const Json& item : list->items) {
      auto address = parse_address(item.string_or("address"));
      if (!address) continue;  // one odd listener does not make the recording unreadable
      session::Listener l{std::move(*address), session::Transport::kTcp};
      const std::string transport = item.string_or("transport");
      for (size_t i = 0; i < std::size(kTransports); ++i) {
        if (transport == kTransports[i]) l.transport = static_cast<session::Transport>(i);
      }
      m.listeners.push_back(std::move(l));
    }
  }
  if (const Json* list = j.get("names")) {
    for (const Json& item : list->items) {
      session::Resolution n{
          item.string_or("name"), static_cast<int32_t>(item.integer_or("result")), {}};
      for (const std::string& ip : item.strings("addresses")) {
        if (auto a = ip_address(ip, 0)) n.addresses.push_back(std::move(*a));
      }
      m.names.push_back(std::move(n));
    }
  }
  return m;
}

bool Ledger::balanced() const {
  for (const LedgerStage& s : stages) {
    uint64_t out = s.out;
    for (const auto& [cause, n] : s.lost) out += n;
    if (out != s.in) return false;
  }
  return true;
}

uint64_t Ledger::total_lost() const {
  uint64_t n = 0;
  for (const LedgerStage& s : stages) {
    for (const auto& [cause, count] : s.lost) n += count;
  }
  return n;
}

std::string Ledger::to_json() const {
  std::string out;
  JsonWriter w(out, true);
  w.begin_object().key("stages").begin_array();
  for (const LedgerStage& s : stages) {
    w.begin_object()
        .field("name", s.name)
        .field("unit", s.unit)
        .field("in", s.in)
        .field("out", s.out);
    w.key("lost").begin_object();
    for (const auto& [cause, n] : s.lost) w.field(cause, n);
    w.end_object().end_object();
  }
  w.end_array().field("balanced", balanced()).end_object();
  out += '\n';
  return out;
}

Result<Ledger> Ledger::from_json(const std::string& text) {
  REPRISE_ASSIGN(const Json j, parse_json(text));
  Ledger ledger;
  if (const Json* stages = j.get("stages")) {
    for (const Json& item : stages->items) {
      LedgerStage s{item.string_or("name"),
                    item.string_or("unit"),
                    static_cast<uint64_t>(item.integer_or("in")),
                    static_cast<uint64_t>(item.integer_or("out")),
                    {}};
      if (const Json* lost = item.get("lost")) {
        for (const auto& [cause, n] : lost->members) {
          s.lost.emplace_back(cause, std::strtoull(n.text.c_str(), nullptr, 10));
        }
      }
      ledger.stages.push_back(std::move(s));
    }
  }
  return ledger;
}

}  // namespace reprise::recording
