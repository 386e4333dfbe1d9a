// Speaks PostgreSQL as the server of a recording.
#pragma once

#include "wire/codec.h"

namespace reprise::wire::postgres {

class PostgresResponder : public Responder {
 public:
  std::optional<Result<Bytes>> template_answer(const Message& live, ByteView recorded) override;
  Result<Bytes> adapt(const Message& live, ByteView recorded_request,
                      ByteView recorded_answer) override;
  Bytes error(const Message& live, std::string_view explanation) override;

 private:
  Bytes login(ByteView recorded);
  Bytes ready() const;
  Bytes remember(Bytes answer);  // keeps the transaction state that it ends in

  char state_ = 'I';
  bool skipping_ = false;  // an error answered a unit without Sync: silence up to the next
};

}  // namespace reprise::wire::postgres
