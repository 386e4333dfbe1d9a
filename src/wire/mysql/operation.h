// Requests of a MySQL client as operations; the connection's prepared statements.
#pragma once

#include <map>
#include <unordered_map>
#include <vector>

#include "wire/message.h"
#include "wire/mysql/values.h"

namespace reprise::wire::mysql {

struct Statement {
  Bytes sql;
  size_t params = 0;
  std::vector<ColumnType> types;        // of the parameters, from the last execution that sent them
  std::map<unsigned, Bytes> long_data;  // by parameter, collected until the next execution
  std::string columns;                  // of its result, as put_column() writes them
  size_t weight = 0;                    // in the memory limit
};

// What a connection has prepared. Memory is bounded: past the limit statements are forgotten, their
// executions then carry no text.
class Statements {
 public:
  // The statement of an id; 0xffffffff is MariaDB's "the one prepared last", answered or not.
  Statement* find(uint32_t id);
  // A PREPARE was sent; it gets its id with the answer.
  void preparing(ByteView sql);
  void prepared(uint32_t id, ByteView sql, size_t params);
  // A column of its result, from the answer to the PREPARE.
  void add_column(uint32_t id, const Column& column);
  void add_long_data(Statement& statement, unsigned param, ByteView data);
  void drop_long_data(Statement& statement);
  void close(uint32_t id);
  void clear();

 private:
  std::unordered_map<uint32_t, Statement> by_id_;
  size_t kept_ = 0;  // bytes of all statements
  size_t long_data_kept_ = 0;
  uint32_t last_id_ = 0;
  Statement last_;
  bool last_pending_ = false;
};

// Decodes a command (payload without packet header). query_attributes: MySQL 8's COM_QUERY form;
// cached_metadata: MariaDB leaves column definitions out of an EXECUTE's answer, so that the
// request carries them in a context leaf "columns" for describe_answer().
struct CommandOptions {
  bool query_attributes = false;
  bool cached_metadata = false;
};
Operation decode_command(ByteView payload, Statements& statements, CommandOptions options);
Operation decode_login(ByteView payload);
Operation decode_auth_data();
Operation decode_local_infile(ByteView message);

}  // namespace reprise::wire::mysql
