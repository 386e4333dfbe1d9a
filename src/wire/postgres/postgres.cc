#include "wire/postgres/postgres.h"

#include "wire/postgres/pg_codec.h"
#include "wire/postgres/pg_describe.h"
#include "wire/postgres/pg_responder.h"

namespace reprise::wire {

namespace {

Likelihood detect(const Prefix& prefix) {
  const ByteView client = prefix.client;
  if (prefix.server_first) return Likelihood::kNo;
  if (client.empty()) return Likelihood::kNeedMore;
  if (client[0] != '\0') {
    // Joined late: a simple query or an extended unit on the usual port.
    if (prefix.server_port != 5432) return Likelihood::kNo;
    if (ByteView("QPBDESCX").find(client[0]) == ByteView::npos) return Likelihood::kNo;
    if (client.size() < 5) return Likelihood::kNeedMore;
    const bool plausible = be32(client, 1) >= 4 && be32(client, 1) < (64u << 20);
    return plausible ? Likelihood::kMaybe : Likelihood::kNo;
  }
  if (client.size() < 8) return Likelihood::kNeedMore;
  const uint32_t length = be32(client, 0);
  const uint32_t code = be32(client, 4);
  if (length == 8 && (code == postgres::kSslCode || code == postgres::kGssCode))
    return Likelihood::kYes;
  if (length >= 16 && code == postgres::kCancelCode) return Likelihood::kYes;
  if (code >> 16 != 3 || length < 9 || length > postgres::kMaxStartup) return Likelihood::kNo;
  if (client.size() < length) return Likelihood::kNeedMore;
  // Pairs of strings, then a zero.
  postgres::Reader pairs(client.substr(8, length - 8));
  while (pairs.left() > 1) {
    const bool named = !pairs.zero_terminated().empty();
    pairs.zero_terminated();
    if (!named || !pairs.ok()) return Likelihood::kNo;
  }
  return pairs.left() == 1 && pairs.byte() == 0 ? Likelihood::kYes : Likelihood::kNo;
}

}  // namespace

ProtocolEntry postgres_entry() {
  return {Protocol::kPostgres, detect,
          [](const CodecOptions& o) -> std::unique_ptr<Codec> {
            return std::make_unique<postgres::PostgresCodec>(o);
          },
          []() -> std::unique_ptr<Responder> {
            return std::make_unique<postgres::PostgresResponder>();
          },
          postgres::describe_answer};
}

}  // namespace reprise::wire
