// Helpers for the tests and fuzz targets of codecs.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "wire/codec.h"

namespace reprise::wire::testing {

using Script = std::vector<std::pair<Dir, Bytes>>;

struct Outcome {
  std::vector<Message> messages;
  std::optional<Fault> fault;
  // All that must not depend on segmentation, one line a message.
  std::string text() const {
    std::string out;
    for (const Message& m : messages) {
      out += (m.dir == Dir::kRequest ? "> " : "< ") + std::to_string(int(m.role)) + " x" +
             std::to_string(m.exchange) + " [" + std::to_string(m.begin) + "," +
             std::to_string(m.end) + ")" + (m.incomplete ? " incomplete" : "") +
             (m.truncated ? " truncated " + m.digest : "") + " " + m.operation.verb + "|" +
             m.operation.label + "|" + printable(m.bytes, 1 << 20);
      for (const Leaf& l : m.operation.leaves) {
        out += " " + l.path + "=" + printable(l.text, 1 << 20) + "/" + std::to_string(int(l.form)) +
               std::to_string(int(l.cls));
      }
      out += "\n";
    }
    if (fault) {
      out += std::string("fault ") + (fault->dir == Dir::kRequest ? ">" : "<") + " " +
             std::to_string(fault->offset) + " " + fault->reason + "\n";
    }
    return out;
  }
};

// piece: bytes a feed at most; 0 for all at once. split: where the first feed of each part ends.
inline Outcome play(const ProtocolEntry& entry, const Script& script, size_t piece = 0,
                    size_t split = 0, CodecOptions options = {}, bool finish = true) {
  const std::unique_ptr<Codec> codec = entry.make_codec(options);
  Outcome outcome;
  for (const auto& [dir, bytes] : script) {
    ByteView rest = bytes;
    if (split > 0) {
      codec->feed(dir, rest.substr(0, split), 1, outcome.messages);
      rest.remove_prefix(std::min(split, rest.size()));
    }
    while (!rest.empty()) {
      const size_t n = piece == 0 ? rest.size() : std::min(piece, rest.size());
      codec->feed(dir, rest.substr(0, n), 1, outcome.messages);
      rest.remove_prefix(n);
    }
  }
  if (finish) {
    codec->finish(Dir::kRequest, 2, outcome.messages);
    codec->finish(Dir::kResponse, 2, outcome.messages);
  }
  outcome.fault = codec->fault();
  return outcome;
}

// Empty if byte by byte and every split give what the whole gives; else both texts.
inline std::string segmentation_difference(const ProtocolEntry& entry, const Script& script,
                                           CodecOptions options = {}) {
  const std::string whole = play(entry, script, 0, 0, options).text();
  const std::string bytewise = play(entry, script, 1, 0, options).text();
  if (bytewise != whole) return "byte by byte:\n" + bytewise + "whole:\n" + whole;
  size_t longest = 0;
  for (const auto& part : script) longest = std::max(longest, part.second.size());
  for (size_t split = 1; split < longest; ++split) {
    const std::string cut = play(entry, script, 0, split, options).text();
    if (cut != whole) return "split at " + std::to_string(split) + ":\n" + cut + "whole:\n" + whole;
  }
  return {};
}

// Turns fuzzer input into a script: a byte for direction and length, then as many bytes.
inline Script fuzz_script(const uint8_t* data, size_t size) {
  Script script;
  ByteView rest(reinterpret_cast<const char*>(data), size);
  while (!rest.empty()) {
    const uint8_t control = u8(rest, 0);
    rest.remove_prefix(1);
    // 0x7f: all the rest, so that whole conversations can be seeds.
    const size_t wanted = (control & 0x7f) == 0x7f ? rest.size() : control & 0x7fu;
    const size_t n = std::min<size_t>(rest.size(), wanted);
    script.emplace_back((control & 0x80) != 0 ? Dir::kResponse : Dir::kRequest,
                        Bytes(rest.substr(0, n)));
    rest.remove_prefix(n);
  }
  return script;
}

// What every codec promises, for fuzz targets: segmentation does not matter, offsets and sizes
// agree, describing and answering never fail on what was framed.
inline void check_promises(const ProtocolEntry& entry, const Script& script,
                           bool datagrams = false) {
  CodecOptions small;
  small.message_limit = 256;
  for (const CodecOptions& options : {CodecOptions{}, small}) {
    const Outcome whole = play(entry, script, 0, 0, options);
    if (!datagrams && play(entry, script, 1, 0, options).text() != whole.text()) __builtin_trap();
    const std::unique_ptr<Responder> responder = entry.make_responder();
    for (const Message& m : whole.messages) {
      if (m.bytes.size() > options.message_limit || m.begin > m.end) __builtin_trap();
      if (m.truncated == m.digest.empty()) __builtin_trap();
      if (m.dir == Dir::kResponse) {
        (void)entry.describe_answer({}, {}, m.bytes);
      } else {
        (void)responder->template_answer(m, {});
        (void)responder->error(m, "no such call");
      }
    }
  }
  for (const auto& [dir, bytes] : script) {
    (void)entry.detect({dir == Dir::kRequest ? ByteView(bytes) : ByteView(),
                        dir == Dir::kResponse ? ByteView(bytes) : ByteView()});
    (void)entry.describe_answer({}, {}, bytes);
  }
}

}  // namespace reprise::wire::testing
