// For the tests of the database codecs: recorded dialogues and the ways to feed them.
#pragma once

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <vector>

#include "wire/codec.h"

namespace reprise::wire::testing {

struct Chunk {
  char side;        // 'C' client, 'S' server
  const char* hex;  // bytes
};
struct Piece {
  Dir dir;
  Bytes bytes;
};
using Dialogue = std::vector<Piece>;

inline Bytes unhex(ByteView hex) {
  const auto digit = [](char c) {
    return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
  };
  Bytes out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    put_u8(out, digit(hex[i]) << 4 | digit(hex[i + 1]));
  return out;
}

inline Dialogue dialogue(std::span<const Chunk> chunks) {
  Dialogue d;
  for (const Chunk& c : chunks)
    d.push_back({c.side == 'C' ? Dir::kRequest : Dir::kResponse, unhex(c.hex)});
  return d;
}

inline std::vector<Message> feed(Codec& codec, const Dialogue& dialogue) {
  std::vector<Message> out;
  for (const Piece& p : dialogue) codec.feed(p.dir, p.bytes, 1, out);
  codec.finish(Dir::kRequest, 1, out);
  codec.finish(Dir::kResponse, 1, out);
  return out;
}

inline std::vector<Message> run(const ProtocolEntry& entry, const Dialogue& dialogue,
                                std::string* fault = nullptr, CodecOptions options = {}) {
  const auto codec = entry.make_codec(options);
  std::vector<Message> out = feed(*codec, dialogue);
  if (fault != nullptr) *fault = codec->fault() ? codec->fault()->reason : "";
  return out;
}

// One line a message: what two ways of feeding must agree on.
inline std::vector<std::string> lines(const std::vector<Message>& messages) {
  static const char* kRoles[] = {"request", "interim", "answer", "oneway", "greeting", "push"};
  std::vector<std::string> out;
  for (const Message& m : messages) {
    std::string s = kRoles[static_cast<size_t>(m.role)];
    s += " " + std::to_string(m.exchange) + " [" + std::to_string(m.begin) + "," +
         std::to_string(m.end) + ")";
    if (m.incomplete) s += " incomplete";
    if (m.truncated) s += " truncated";
    s += " " + m.operation.verb + " | " + m.operation.label;
    for (const Leaf& l : m.operation.leaves) s += " | " + l.path + "=" + printable(l.text);
    s += " | " + std::to_string(m.bytes.size());
    out.push_back(std::move(s));
  }
  return out;
}

// The same messages fed whole, byte by byte, and split at each offset.
inline void expect_any_segmentation(const ProtocolEntry& entry, const Dialogue& dialogue) {
  const std::vector<std::string> want = lines(run(entry, dialogue));
  Dialogue bytes;
  for (const Piece& p : dialogue) {
    for (const char c : p.bytes) bytes.push_back({p.dir, Bytes(1, c)});
  }
  EXPECT_EQ(lines(run(entry, bytes)), want);
  for (size_t i = 0; i < dialogue.size(); ++i) {
    for (size_t at = 1; at < dialogue[i].bytes.size(); ++at) {
      Dialogue split(dialogue.begin(), dialogue.begin() + static_cast<long>(i));
      split.push_back({dialogue[i].dir, dialogue[i].bytes.substr(0, at)});
      split.push_back({dialogue[i].dir, dialogue[i].bytes.substr(at)});
      split.insert(split.end(), dialogue.begin() + static_cast<long>(i) + 1, dialogue.end());
      ASSERT_EQ(lines(run(entry, split)), want) << "piece " << i << " at " << at;
    }
  }
}

// "verb: label => answer label" for each exchange that got an answer; "verb: label" for the others.
inline std::vector<std::string> calls(const ProtocolEntry& entry,
                                      const std::vector<Message>& messages) {
  std::vector<std::string> out;
  for (const Message& m : messages) {
    if (m.dir == Dir::kResponse) continue;
    std::string s = m.operation.verb + ": " + m.operation.label;
    for (const Message& a : messages) {
      if (a.dir != Dir::kResponse || a.exchange != m.exchange) continue;
      s += " => " + entry.describe_answer(m.bytes, m.operation, a.bytes).label;
    }
    out.push_back(std::move(s));
  }
  return out;
}

}  // namespace reprise::wire::testing
