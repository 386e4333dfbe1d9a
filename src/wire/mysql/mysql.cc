#include "wire/mysql/mysql.h"

#include "wire/mysql/describe.h"
#include "wire/mysql/mysql_codec.h"
#include "wire/mysql/mysql_responder.h"

namespace reprise::wire {

namespace {

Likelihood detect_greeting(ByteView server) {
  if (server.size() < 5) return Likelihood::kNeedMore;
  const uint32_t length = le24(server, 0);
  if (u8(server, 3) != 0 || length < 8 || length > 1024) return Likelihood::kNo;
  const unsigned kind = u8(server, 4);
  if (kind == 0xff)
    return server.size() < 7 || le16(server, 5) >= 1000 ? Likelihood::kMaybe : Likelihood::kNo;
  if (kind != 10) return Likelihood::kNo;
  if (server.size() < 4 + length) return Likelihood::kNeedMore;
  return mysql::parse_greeting(server.substr(4, length)).valid ? Likelihood::kYes : Likelihood::kNo;
}

// A stream joined without its greeting says little: only the usual port makes it worth a try.
Likelihood detect(const Prefix& prefix) {
  if (prefix.client.empty() && prefix.server.empty()) return Likelihood::kNeedMore;
  if (prefix.server_first) return detect_greeting(prefix.server);
  if (prefix.server_port != 3306 || prefix.client.empty()) return Likelihood::kNo;
  if (prefix.client.size() < 5) return Likelihood::kNeedMore;
  const uint32_t length = le24(prefix.client, 0);
  const unsigned command = u8(prefix.client, 4);
  const bool known = (command >= 1 && command <= 0x1f) || command == mysql::kStmtBulkExecute;
  const bool plausible = u8(prefix.client, 3) == 0 && length > 0 && known;
  return plausible ? Likelihood::kMaybe : Likelihood::kNo;
}

}  // namespace

ProtocolEntry mysql_entry() {
  return {Protocol::kMysql, detect,
          [](const CodecOptions& o) -> std::unique_ptr<Codec> {
            return std::make_unique<mysql::MysqlCodec>(o);
          },
          []() -> std::unique_ptr<Responder> { return std::make_unique<mysql::MysqlResponder>(); },
          mysql::describe_answer};
}

}  // namespace reprise::wire
