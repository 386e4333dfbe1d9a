#include "sandbox/config_codec.h"

#include <charconv>

namespace reprise::sandbox {

Fields address_fields(const std::vector<Address>& addresses) {
  Fields out;
  for (const Address& a : addresses) out.push_back(to_string(a));
  return out;
}

Result<std::vector<Address>> addresses_of(const Fields& fields) {
  std::vector<Address> out;
  for (const std::string& f : fields) {
    REPRISE_ASSIGN(Address a, parse_address(f));
    out.push_back(std::move(a));
  }
  return out;
}

Bytes encode(const StageConfig& c) {
  Fields env;
  for (const auto& [name, value] : c.env) env.push_back(name), env.push_back(value);
  const auto flag = [](bool b) { return std::string(b ? "1" : "0"); };
  return pack({pack(c.argv), c.cwd, pack(env), c.hostname, pack(c.local_ips),
               pack(address_fields(c.recorded_dependencies)), pack(address_fields(c.recorded_udp)),
               pack(c.unix_dependencies), pack(address_fields(c.refused)), flag(c.overlay),
               std::to_string(c.overlay_bytes), pack(c.keep_writable), pack(c.hide),
               flag(c.fake_root), c.stage_library, std::to_string(static_cast<int>(c.mode)),
               c.fallback_reason});
}

Result<StageConfig> decode_config(ByteView bytes) {
  REPRISE_ASSIGN(Fields f, unpack(bytes));
  if (f.size() != 17) return fail("stage: configuration of another version");
  StageConfig c;
  REPRISE_ASSIGN(c.argv, unpack(f[0]));
  c.cwd = f[1];
  REPRISE_ASSIGN(const Fields env, unpack(f[2]));
  for (size_t i = 0; i + 1 < env.size(); i += 2) c.env.emplace_back(env[i], env[i + 1]);
  c.hostname = f[3];
  REPRISE_ASSIGN(c.local_ips, unpack(f[4]));
  for (auto [field, list] :
       {std::pair(5, &c.recorded_dependencies), {6, &c.recorded_udp}, {8, &c.refused}}) {
    REPRISE_ASSIGN(const Fields texts, unpack(f[static_cast<size_t>(field)]));
    REPRISE_ASSIGN(*list, addresses_of(texts));
  }
  REPRISE_ASSIGN(c.unix_dependencies, unpack(f[7]));
  c.overlay = f[9] == "1";
  std::from_chars(f[10].data(), f[10].data() + f[10].size(), c.overlay_bytes);
  REPRISE_ASSIGN(c.keep_writable, unpack(f[11]));
  REPRISE_ASSIGN(c.hide, unpack(f[12]));
  c.fake_root = f[13] == "1";
  c.stage_library = f[14];
  c.mode = f[15] == "2" ? StageMode::kPreload : StageMode::kNamespaces;
  c.fallback_reason = f[16];
  return c;
}

}  // namespace reprise::sandbox
