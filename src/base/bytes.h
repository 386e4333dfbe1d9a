// Byte strings. A view is a std::string_view, an owned string a std::string: both are bytes, never
// text with an encoding, and may hold zeros.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace reprise {

using ByteView = std::string_view;
using Bytes = std::string;

inline uint8_t u8(ByteView b, size_t i) { return static_cast<uint8_t>(b[i]); }
inline uint16_t be16(ByteView b, size_t i) { return uint16_t(u8(b, i) << 8 | u8(b, i + 1)); }
inline uint32_t be32(ByteView b, size_t i) { return uint32_t(be16(b, i)) << 16 | be16(b, i + 2); }
inline uint16_t le16(ByteView b, size_t i) { return uint16_t(u8(b, i) | u8(b, i + 1) << 8); }
inline uint32_t le24(ByteView b, size_t i) { return le16(b, i) | uint32_t(u8(b, i + 2)) << 16; }
inline uint32_t le32(ByteView b, size_t i) { return le16(b, i) | uint32_t(le16(b, i + 2)) << 16; }
inline uint64_t le64(ByteView b, size_t i) { return le32(b, i) | uint64_t(le32(b, i + 4)) << 32; }

inline void put_u8(Bytes& o, unsigned v) { o.push_back(static_cast<char>(v)); }
inline void put_be16(Bytes& o, unsigned v) { put_u8(o, v >> 8), put_u8(o, v); }
inline void put_be32(Bytes& o, uint32_t v) { put_be16(o, v >> 16), put_be16(o, v & 0xffff); }
inline void put_le16(Bytes& o, unsigned v) { put_u8(o, v), put_u8(o, v >> 8); }
inline void put_le24(Bytes& o, uint32_t v) { put_le16(o, v & 0xffff), put_u8(o, v >> 16); }
inline void put_le32(Bytes& o, uint32_t v) { put_le16(o, v & 0xffff), put_le16(o, v >> 16); }
inline void put_le64(Bytes& o, uint64_t v) { put_le32(o, uint32_t(v)), put_le32(o, v >> 32); }

// Lower-case hexadecimal, two digits a byte.
std::string to_hex(ByteView bytes);
// A classic dump: offset, 16 bytes in hexadecimal, printable characters; one line for each 16.
std::string hex_dump(ByteView bytes);
// Bytes for a person: printable ASCII as it is, the rest as \n, \r, \t, \xHH; cut to max characters
// with an ellipsis (three full stops).
std::string printable(ByteView bytes, size_t max = 200);

bool iequals(std::string_view a, std::string_view b);  // ASCII case folded
std::string ascii_lower(std::string_view s);
std::string_view trim(std::string_view s);  // spaces and tabs at both ends

}  // namespace reprise
