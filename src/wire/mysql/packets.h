// The packet layer of the MySQL protocol: 3 bytes of length, 1 of sequence, then the payload; a
// physical packet of 0xffffff bytes is continued by the next one. Sources: MySQL internals manual,
// "Client/Server Protocol"; MariaDB knowledge base, "Clientserver Protocol".
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace reprise::wire::mysql {

// Capability bits, as in the greeting and the login.
constexpr uint32_t kMysqlCaps = 1u
                                << 0;  // unset in a MariaDB greeting: extended capabilities follow
constexpr uint32_t kConnectWithDb = 1u << 3;
constexpr uint32_t kCompress = 1u << 5;
constexpr uint32_t kProtocol41 = 1u << 9;
constexpr uint32_t kSsl = 1u << 11;
constexpr uint32_t kSecureConnection = 1u << 15;
constexpr uint32_t kPluginAuth = 1u << 19;
constexpr uint32_t kConnectAttrs = 1u << 20;
constexpr uint32_t kPluginAuthLenenc = 1u << 21;
constexpr uint32_t kDeprecateEof = 1u << 24;
constexpr uint32_t kOptionalMetadata = 1u << 25;
constexpr uint32_t kZstd = 1u << 26;
constexpr uint32_t kQueryAttributes = 1u << 27;

constexpr uint32_t kMariadbCacheMetadata = 1u << 4;  // of MariaDB's extended capabilities

constexpr unsigned kMoreResults = 0x0008;  // server status
constexpr unsigned kCursorExists = 0x0040;

enum Command : uint8_t {
  kQuit = 0x01,
  kInitDb = 0x02,
  kQuery = 0x03,
  kFieldList = 0x04,
  kStatistics = 0x09,
  kProcessInfo = 0x0a,
  kPing = 0x0e,
  kChangeUser = 0x11,
  kBinlogDump = 0x12,
  kTableDump = 0x13,
  kStmtPrepare = 0x16,
  kStmtExecute = 0x17,
  kStmtSendLongData = 0x18,
  kStmtClose = 0x19,
  kStmtReset = 0x1a,
  kSetOption = 0x1b,
  kStmtFetch = 0x1c,
  kBinlogDumpGtid = 0x1e,
  kResetConnection = 0x1f,
  kStmtBulkExecute = 0xfa,  // MariaDB
};

constexpr uint32_t kMaxPayload = 0xffffff;

// Reads fields; past the end everything is zero or empty and ok() is false.
class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) {}
  bool ok() const { return ok_; }
  size_t left() const { return bytes_.size() - pos_; }
  size_t position() const { return pos_; }
  ByteView rest() const { return bytes_.substr(pos_); }
  ByteView take(uint64_t n);
  ByteView zero_terminated();  // up to a zero, which is consumed, or the end
  uint64_t integer(size_t width);
  uint64_t lenenc();
  ByteView lenenc_string() { return take(lenenc()); }

 private:
  ByteView bytes_;
  size_t pos_ = 0;
  bool ok_ = true;
};

// Cuts one direction into logical packets; keeps no more than the head of a payload.
class Framer {
 public:
  // Consumes bytes up to the end of the logical packet at most; complete() tells whether it ended.
  size_t feed(ByteView bytes);
  bool complete() const { return complete_; }
  bool idle() const { return header_.empty() && length_ == 0 && !continued_; }
  void next();                             // starts the next logical packet
  ByteView head() const { return head_; }  // first kHead bytes of the payload
  uint64_t length() const { return length_; }
  uint8_t first_seq() const { return first_seq_; }
  uint8_t last_seq() const { return last_seq_; }
  uint32_t left_in_packet() const { return left_; }  // payload bytes that the header still promises
  void skip(uint32_t n);                             // n <= left_in_packet() bytes were lost

 private:
  void settle();

  static constexpr size_t kHead = 1024;
  Bytes header_;
  Bytes head_;
  uint64_t length_ = 0;
  uint32_t left_ = 0;
  uint8_t first_seq_ = 0;
  uint8_t last_seq_ = 0;
  bool complete_ = false;
  bool continued_ = false;
  bool full_ = false;
};

// Walks the logical packets of a stored message.
class Walk {
 public:
  explicit Walk(ByteView message) : rest_(message) {}
  bool next();  // false at the end, and at a packet that is cut
  ByteView payload() const { return payload_; }
  uint8_t seq() const { return seq_; }

 private:
  ByteView rest_;
  ByteView payload_;
  Bytes joined_;
  uint8_t seq_ = 0;
};

// The payload of the first logical packet, as much of it as there is.
Bytes first_payload(ByteView message);

void put_lenenc(Bytes& out, uint64_t v);
void put_lenenc_string(Bytes& out, ByteView s);
// Appends payload as packets; returns the sequence number that follows.
uint8_t put_packet(Bytes& out, uint8_t seq, ByteView payload);

struct OkFields {
  uint64_t affected = 0;
  uint64_t last_insert_id = 0;
  unsigned status = 0;
  unsigned warnings = 0;
  ByteView info;
  bool valid = false;
};
OkFields parse_ok(ByteView payload);  // header byte 0x00 or 0xfe

struct ErrFields {
  unsigned code = 0;
  ByteView state;
  ByteView message;
};
ErrFields parse_err(ByteView payload);

inline bool is_err(ByteView p) { return !p.empty() && u8(p, 0) == 0xff; }
// MariaDB reports progress in packets that look like errors of this number.
inline bool is_progress(ByteView p) {
  return p.size() >= 3 && u8(p, 0) == 0xff && le16(p, 1) == 0xffff;
}
inline bool is_classic_eof(ByteView head, uint64_t length) {
  return length == 5 && u8(head, 0) == 0xfe;
}

struct Greeting {
  bool valid = false;
  ByteView version;
  uint32_t capabilities = 0;
  size_t low_at = 0;   // offset in the payload of the low half of the capabilities
  size_t high_at = 0;  // and of the high half, 0 if it is not there
};
Greeting parse_greeting(ByteView payload);

struct Login {
  bool valid = false;
  uint32_t capabilities = 0;
  ByteView user;
  ByteView database;
  ByteView plugin;
};
Login parse_login(ByteView payload);
Login parse_change_user(ByteView payload, uint32_t capabilities);

}  // namespace reprise::wire::mysql
