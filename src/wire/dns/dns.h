// DNS over UDP (RFC 1035): each feed() is one datagram and one message. Queries and answers are
// paired by id, the oldest query first; a repeated query is an exchange of its own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "wire/codec.h"

namespace reprise::wire {

ProtocolEntry dns_entry();

namespace dns {

enum Type : uint16_t {
  kA = 1,
  kNs = 2,
  kCname = 5,
  kSoa = 6,
  kPtr = 12,
  kMx = 15,
  kTxt = 16,
  kAaaa = 28,
  kSrv = 33
};
enum Rcode : int {
  kNoError = 0,
  kFormErr = 1,
  kServFail = 2,
  kNxDomain = 3,
  kNotImp = 4,
  kRefused = 5
};

std::string type_name(uint16_t type);  // "AAAA", "TYPE65"

struct Question {
  std::string name;  // lower case, without the last dot; "" for the root; odd bytes as \DDD
  uint16_t type = 0;
  uint16_t cls = 0;
};
struct Resource {
  std::string name;
  uint16_t type = 0;
  uint16_t cls = 0;
  uint32_t ttl = 0;
  std::string data;  // address, name, "10 mail.example.org", text; hexadecimal for the rest
};
struct Packet {
  uint16_t id = 0;
  bool response = false;
  bool recursion_desired = false;
  bool cut = false;  // the TC flag
  int opcode = 0;
  int rcode = 0;
  std::vector<Question> questions;
  std::vector<Resource> answers;  // of the answer section
  size_t end = 0;                 // behind the last of them that parses
};
// nullopt: no header, or a question that does not parse. Answers up to the first that does not.
std::optional<Packet> parse(ByteView datagram);

// Answers to a query. Only addresses of the family that it asks for are used; none, or a query for
// another type, gives an empty answer. Empty if the query cannot be parsed.
Bytes make_answer(ByteView query, const std::vector<std::string>& addresses, uint32_t ttl);
Bytes make_error(ByteView query, int rcode);

}  // namespace dns

}  // namespace reprise::wire
