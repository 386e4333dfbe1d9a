// Requests of a PostgreSQL client as operations; the connection's statements and portals.
#pragma once

#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "wire/message.h"
#include "wire/postgres/pg_messages.h"

namespace reprise::wire::postgres {

struct Statement {
  Bytes sql;
  std::vector<uint32_t> types;  // of the parameters; 0 if neither Parse nor the server said
};

struct Portal {
  bool known = false;  // its statement is
  Bytes sql;
  Leaves params;  // paths "N"
  std::string result_formats;
};

// Memory is bounded: past the limits names are forgotten, their executions then carry no text.
class Names {
 public:
  void parse(ByteView name, Statement statement);
  const Statement* statement(ByteView name) const;
  void described(ByteView name, std::vector<uint32_t> types);  // ParameterDescription
  void bind(ByteView name, Portal portal);
  const Portal* portal(ByteView name) const;
  void close(char kind, ByteView name);
  void forget_statements();

 private:
  std::unordered_map<std::string, Statement> statements_;
  std::unordered_map<std::string, Portal> portals_;
  size_t kept_ = 0;
  size_t portals_kept_ = 0;
};

// Decodes a unit of typed messages: a simple query, a function call, an extended unit.
Operation decode_unit(ByteView unit, Names& names);
// A message of the start: start-up packet, SSLRequest, GSSENCRequest, CancelRequest.
Operation decode_startup(ByteView message);

}  // namespace reprise::wire::postgres
