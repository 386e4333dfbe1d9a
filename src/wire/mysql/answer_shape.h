// Where the answer to a command ends. MySQL answers carry no length: the shape follows from the
// command, from the counts inside and from CLIENT_DEPRECATE_EOF, which a reader that joined late
// must guess. It can: an EOF of the old form has 5 bytes, the OK that replaces it 7 or more, and a
// text row that starts with 0xfe has at least 16 MB.
#pragma once

#include <optional>

#include "wire/mysql/packets.h"

namespace reprise::wire::mysql {

enum class Shape : uint8_t {
  kNone,       // never answered
  kAuth,       // until OK, ERR or until the client must speak
  kSimple,     // until OK, ERR or EOF
  kResults,    // results, one after the other
  kPrepare,    // statement id, definitions of parameters and columns
  kFieldList,  // definitions until EOF
  kFetch,      // rows until EOF
  kOne,        // a single packet (COM_STATISTICS)
  kStream,     // until EOF or ERR (binlog)
};
Shape shape_of(uint8_t command);

enum class Part : uint8_t {
  kOk,
  kErr,
  kProgress,
  kLocalInfile,
  kAuthSwitch,
  kAuthMore,
  kPrepareOk,
  kColumnCount,
  kParamDef,
  kColumnDef,
  kDefsEnd,  // the EOF behind definitions
  kRow,
  kRowsEnd,  // EOF, or the OK that replaces it
  kOther,
};

// Fed with the packets of one answer in order.
class AnswerShape {
 public:
  AnswerShape(Shape shape, std::optional<bool> deprecate_eof)
      : shape_(shape), deprecate_eof_(deprecate_eof) {
    if (shape == Shape::kFetch) state_ = State::kRows;
  }
  // head: the beginning of the payload, at least 32 bytes of it; length: all of it.
  Part packet(ByteView head, uint64_t length);
  bool done() const { return done_; }
  // Complete unless an EOF follows, of which only the next packet or the client's next command can
  // tell.
  bool maybe_done() const;
  bool broken() const { return broken_; }
  std::optional<bool> deprecate_eof() const { return deprecate_eof_; }
  uint32_t statement_id() const { return statement_id_; }
  unsigned params() const { return params_; }

 private:
  enum class State : uint8_t { kFirst, kParams, kParamsEnd, kColumns, kColumnsEnd, kRows };

  Part first(ByteView head, uint64_t length);
  Part first_result(ByteView head);
  Part rows(ByteView head, uint64_t length);
  Part finish(Part part) {
    done_ = true;
    return part;
  }
  void after_params();
  void after_columns(unsigned status);
  void after_result(unsigned status);

  Shape shape_;
  std::optional<bool> deprecate_eof_;
  State state_ = State::kFirst;
  bool done_ = false;
  bool broken_ = false;
  uint64_t left_ = 0;  // definitions still to come
  uint32_t statement_id_ = 0;
  unsigned params_ = 0;
  unsigned columns_ = 0;
};

}  // namespace reprise::wire::mysql
