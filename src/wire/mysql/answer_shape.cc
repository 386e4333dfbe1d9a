#include "wire/mysql/answer_shape.h"

namespace reprise::wire::mysql {

Shape shape_of(uint8_t command) {
  switch (command) {
    case kQuit:
    case kStmtSendLongData:
    case kStmtClose:
      return Shape::kNone;
    case kQuery:
    case kProcessInfo:
    case kStmtExecute:
    case kStmtBulkExecute:
      return Shape::kResults;
    case kFieldList:
      return Shape::kFieldList;
    case kStatistics:
      return Shape::kOne;
    case kChangeUser:
      return Shape::kAuth;
    case kStmtPrepare:
      return Shape::kPrepare;
    case kStmtFetch:
      return Shape::kFetch;
    case kBinlogDump:
    case kTableDump:
    case kBinlogDumpGtid:
      return Shape::kStream;
    default:
      return Shape::kSimple;
  }
}

Part AnswerShape::packet(ByteView head, uint64_t length) {
  if (is_progress(head)) return Part::kProgress;
  if (is_err(head) && shape_ != Shape::kOne && state_ != State::kParams &&
      state_ != State::kColumns) {
    return finish(Part::kErr);
  }
  switch (state_) {
    case State::kFirst:
      return first(head, length);
    case State::kParams:
      if (--left_ == 0) state_ = State::kParamsEnd;
      if (left_ == 0 && deprecate_eof_ == true) after_params();
      return Part::kParamDef;
    case State::kColumns:
      if (--left_ == 0) state_ = State::kColumnsEnd;
      if (left_ == 0 && deprecate_eof_ == true) after_columns(0);
      return Part::kColumnDef;
    case State::kParamsEnd:
    case State::kColumnsEnd:
      break;
    case State::kRows:
      return rows(head, length);
  }
  if (is_classic_eof(head, length)) {
    deprecate_eof_ = false;
    if (state_ == State::kParamsEnd) {
      after_params();
    } else {
      after_columns(le16(head, 3));
    }
    return Part::kDefsEnd;
  }
  if (deprecate_eof_ == false) {
    broken_ = true;
    return Part::kOther;
  }
  deprecate_eof_ = true;
  if (state_ == State::kParamsEnd) {
    after_params();
  } else {
    after_columns(0);
  }
  if (done_) {
    broken_ = true;  // the packet belongs to the next answer
    return Part::kOther;
  }
  return packet(head, length);
}

Part AnswerShape::first(ByteView head, uint64_t length) {
  const unsigned type = head.empty() ? 0x100 : u8(head, 0);
  switch (shape_) {
    case Shape::kAuth:
      if (type == 0x00) return finish(Part::kOk);
      if (type == 0xfe) return finish(Part::kAuthSwitch);
      // caching_sha2_password: 3 is fast success, an OK follows.
      if (type == 0x01 && length == 2 && u8(head, 1) == 3) return Part::kAuthMore;
      return finish(Part::kAuthMore);
    case Shape::kSimple:
      if (type == 0x00) return finish(Part::kOk);
      if (type == 0xfe) return finish(Part::kRowsEnd);
      return Part::kOther;
    case Shape::kOne:
      return finish(Part::kOther);
    case Shape::kFieldList:
      if (type == 0xfe) return finish(Part::kRowsEnd);
      return Part::kColumnDef;
    case Shape::kStream:
      if (type == 0xfe && length < 9) return finish(Part::kRowsEnd);
      return Part::kOther;
    case Shape::kPrepare:
      if (type != 0x00 || head.size() < 9) {
        broken_ = true;
        return Part::kOther;
      }
      statement_id_ = le32(head, 1);
      columns_ = le16(head, 5);
      params_ = le16(head, 7);
      left_ = params_;
      state_ = State::kParams;
      if (left_ == 0) after_params();
      return Part::kPrepareOk;
    default:
      return first_result(head);
  }
}

Part AnswerShape::first_result(ByteView head) {
  const unsigned type = head.empty() ? 0x100 : u8(head, 0);
  if (type == 0x00) {
    const OkFields ok = parse_ok(head);
    broken_ = !ok.valid;
    after_result(ok.status);
    return Part::kOk;
  }
  if (type == 0xfb) return finish(Part::kLocalInfile);
  Reader r(head);
  left_ = r.lenenc();
  // MariaDB with cached metadata: a byte behind the count says whether definitions follow.
  const bool definitions = r.left() == 0 || r.integer(1) != 0;
  if (!r.ok() || left_ == 0 || left_ > 0xffff || r.left() > 0) {
    broken_ = true;
    return Part::kOther;
  }
  if (definitions) {
    state_ = State::kColumns;
  } else {
    state_ = State::kColumnsEnd;
    left_ = 0;
    if (deprecate_eof_ == true) after_columns(0);
  }
  return Part::kColumnCount;
}

Part AnswerShape::rows(ByteView head, uint64_t length) {
  if (head.empty() || u8(head, 0) != 0xfe || length >= kMaxPayload) return Part::kRow;
  if (!deprecate_eof_) deprecate_eof_ = length >= 7;
  if (*deprecate_eof_) {
    const OkFields ok = parse_ok(head);
    broken_ = !ok.valid;
    after_result(ok.status);
    return Part::kRowsEnd;
  }
  if (length >= 9) return Part::kRow;
  after_result(head.size() >= 5 ? le16(head, 3) : 0);
  return Part::kRowsEnd;
}

void AnswerShape::after_params() {
  left_ = columns_;
  if (left_ == 0) {
    done_ = true;
  } else {
    state_ = State::kColumns;
  }
}

void AnswerShape::after_columns(unsigned status) {
  if (shape_ == Shape::kPrepare) {
    done_ = true;
  } else if ((status & kCursorExists) != 0) {
    after_result(status);
  } else {
    state_ = State::kRows;
  }
}

void AnswerShape::after_result(unsigned status) {
  if ((status & kMoreResults) != 0 && shape_ == Shape::kResults) {
    state_ = State::kFirst;
  } else {
    done_ = true;
  }
}

bool AnswerShape::maybe_done() const {
  if (shape_ != Shape::kPrepare || deprecate_eof_ || done_) return false;
  return state_ == State::kColumnsEnd || (state_ == State::kParamsEnd && columns_ == 0);
}

}  // namespace reprise::wire::mysql
