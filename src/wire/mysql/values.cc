#include "wire/mysql/values.h"

#include <fmt/format.h>

#include <bit>

namespace reprise::wire::mysql {

namespace {

bool is_blob(uint8_t type) { return type >= 0xf9 && type <= 0xfc; }

// Dates and times come as a length byte and only as many fields as are not zero.
std::string read_date(Reader& r, bool date_only) {
  const ByteView v = r.take(r.integer(1));
  if (v.size() < 4) return date_only ? "0000-00-00" : "0000-00-00 00:00:00";
  std::string s = fmt::format("{:04}-{:02}-{:02}", le16(v, 0), u8(v, 2), u8(v, 3));
  if (date_only) return s;
  if (v.size() < 7) return s + " 00:00:00";
  s += fmt::format(" {:02}:{:02}:{:02}", u8(v, 4), u8(v, 5), u8(v, 6));
  if (v.size() >= 11) s += fmt::format(".{:06}", le32(v, 7));
  return s;
}

std::string read_time(Reader& r) {
  const ByteView v = r.take(r.integer(1));
  if (v.size() < 8) return "00:00:00";
  const uint64_t hours = uint64_t{le32(v, 1)} * 24 + u8(v, 5);
  std::string s =
      fmt::format("{}{:02}:{:02}:{:02}", u8(v, 0) != 0 ? "-" : "", hours, u8(v, 6), u8(v, 7));
  if (v.size() >= 12) s += fmt::format(".{:06}", le32(v, 8));
  return s;
}

std::string integer_text(Reader& r, size_t width, bool is_unsigned) {
  const uint64_t raw = r.integer(width);
  if (is_unsigned) return fmt::format("{}", raw);
  const unsigned shift = static_cast<unsigned>(64 - 8 * width);
  return fmt::format("{}", static_cast<int64_t>(raw << shift) >> shift);
}

}  // namespace

LeafForm text_form(ColumnType t) {
  switch (t.type) {
    case 0x00:
    case 0x01:
    case 0x02:
    case 0x03:
    case 0x04:
    case 0x05:
    case 0x08:
    case 0x09:
    case 0x0d:
    case 0xf6:
      return LeafForm::kNumber;
    case 0x06:
      return LeafForm::kNull;
    case 0x10:
    case 0xff:
      return LeafForm::kBinary;
    default:
      return is_blob(t.type) && t.binary ? LeafForm::kBinary : LeafForm::kText;
  }
}

void read_binary(Reader& r, ColumnType t, Leaf& leaf) {
  leaf.form = text_form(t);
  switch (t.type) {
    case 0x01:
      leaf.text = integer_text(r, 1, t.is_unsigned);
      return;
    case 0x02:
    case 0x0d:
      leaf.text = integer_text(r, 2, t.is_unsigned);
      return;
    case 0x03:
    case 0x09: {
      leaf.text = integer_text(r, 4, t.is_unsigned);
      return;
    }
    case 0x08:
      leaf.text = integer_text(r, 8, t.is_unsigned);
      return;
    case 0x04:
      leaf.text = fmt::format("{}", std::bit_cast<float>(static_cast<uint32_t>(r.integer(4))));
      return;
    case 0x05:
      leaf.text = fmt::format("{}", std::bit_cast<double>(r.integer(8)));
      return;
    case 0x06:
      leaf.text.clear();
      return;
    case 0x0a:
    case 0x0e:
      leaf.text = read_date(r, true);
      return;
    case 0x07:
    case 0x0c:
    case 0x11:
    case 0x12:
      leaf.text = read_date(r, false);
      return;
    case 0x0b:
    case 0x13:
      leaf.text = read_time(r);
      return;
    default:
      leaf.text = Bytes(r.lenenc_string());
      return;
  }
}

// catalog, schema, table, original table, name, original name, then (after MariaDB's extended
// metadata, if negotiated) 13 fixed bytes, which are therefore read from the end.
Column parse_column(ByteView payload) {
  Column c;
  Reader r(payload);
  for (int i = 0; i < 4; ++i) r.lenenc_string();
  c.name = r.lenenc_string();
  r.lenenc_string();
  if (!r.ok() || payload.size() < 13) return c;
  const size_t fixed = payload.size() - 13;
  c.type.binary = le16(payload, fixed + 1) == 63;
  c.type.type = u8(payload, fixed + 7);
  c.type.is_unsigned = (le16(payload, fixed + 8) & 0x20) != 0;
  return c;
}

void put_column(std::string& out, const Column& column) {
  const int flags = (column.type.is_unsigned ? 1 : 0) | (column.type.binary ? 2 : 0);
  if (!out.empty()) out += '\n';
  out += fmt::format("{:02x}.{} {}", column.type.type, flags, printable(column.name));
}

std::vector<Column> read_columns(ByteView text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::vector<Column> columns;
  while (text.size() >= 5) {
    const ByteView line = text.substr(0, text.find('\n'));
    if (line.size() < 5) break;
    Column c;
    c.type.type = static_cast<uint8_t>(digit(line[0]) << 4 | digit(line[1]));
    c.type.is_unsigned = (digit(line[3]) & 1) != 0;
    c.type.binary = (digit(line[3]) & 2) != 0;
    c.name = line.substr(5);
    columns.push_back(c);
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return columns;
}

}  // namespace reprise::wire::mysql
