// Values of the binary protocol (parameters of COM_STMT_EXECUTE, rows of its results) and of text
// rows, as leaves.
#pragma once

#include "base/leaf.h"
#include "wire/mysql/packets.h"

namespace reprise::wire::mysql {

struct ColumnType {
  uint8_t type = 0;  // MYSQL_TYPE_*
  bool is_unsigned = false;
  bool binary = false;  // character set 63
};

constexpr uint8_t kTypeNull = 0x06;

// Reads one binary value; reader.ok() is false if it is cut or of an unknown type.
void read_binary(Reader& reader, ColumnType type, Leaf& leaf);
// The form of a text row's field of that type.
LeafForm text_form(ColumnType type);

struct Column {
  ByteView name;
  ColumnType type;
};
Column parse_column(ByteView payload);

// Column definitions as text, one a line: type, flags, name ("03.0 id").
void put_column(std::string& out, const Column& column);
std::vector<Column> read_columns(ByteView text);  // views into text

}  // namespace reprise::wire::mysql
