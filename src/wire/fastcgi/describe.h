// FastCGI messages as leaves: like HTTP, with the CGI variables as "param.NAME".
#pragma once

#include "wire/message.h"

namespace reprise::wire::fastcgi {

Operation describe_request(ByteView message);
// "status", "header.NAME", "body", "stderr", "app_status"; "value.NAME" for GET_VALUES_RESULT.
Answer describe_answer(ByteView request, const Operation& operation, ByteView answer);

}  // namespace reprise::wire::fastcgi
