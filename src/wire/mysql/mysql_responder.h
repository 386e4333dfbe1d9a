// Speaks MySQL as the server of a recording.
#pragma once

#include "wire/codec.h"

namespace reprise::wire::mysql {

class MysqlResponder : public Responder {
 public:
  Bytes greeting(ByteView recorded) override;
  std::optional<Result<Bytes>> template_answer(const Message& live, ByteView recorded) override;
  Result<Bytes> adapt(const Message& live, ByteView recorded_request,
                      ByteView recorded_answer) override;
  Bytes error(const Message& live, std::string_view explanation) override;

 private:
  std::optional<Result<Bytes>> login(const Message& live, ByteView recorded);
  Bytes ok(const Message& live) const;

  uint32_t greeting_caps_ = 0;
  bool deprecate_eof_ = false;  // agreed with the live client
  bool login_seen_ = false;
  uint32_t last_statement_ = 0;  // ids of this connection count from 1
};

}  // namespace reprise::wire::mysql
