#include "wire/redis/pairing.h"

#include <algorithm>
#include <charconv>

#include "wire/redis/resp.h"

namespace reprise::wire::redis {

namespace {

constexpr size_t kMaxPending = 1 << 20;  // commands without a reply on one stream

// 0 for channels, 1 for patterns, 2 for shard channels.
size_t family(ByteView kind) {
  return kind.starts_with('p') ? 1 : kind.starts_with("ss") || kind.starts_with("sun") ? 2 : 0;
}

bool is_subscribe_family(ByteView verb) {
  if (verb.starts_with('p') || verb.starts_with("ss") || verb.starts_with("sun")) {
    verb.remove_prefix(1);
  }
  return verb == "subscribe" || verb == "unsubscribe";
}

// "+1700000000.123456 [0 127.0.0.1:1234] ...", the line of MONITOR.
bool is_monitor_line(ByteView text) {
  const size_t dot = text.find_first_not_of("0123456789");
  return dot != ByteView::npos && dot > 0 && text[dot] == '.';
}

}  // namespace

bool Pairing::replication_next() const {
  return !pending_.empty() && pending_.front().kind == Kind::kReplication;
}

Pairing::Place Pairing::command(const std::string& verb, const std::vector<Bytes>& words) {
  Pending p;
  p.exchange = ++exchange_;
  const std::string mode = verb == "CLIENT REPLY" && words.size() > 2 ? ascii_lower(words[2]) : "";
  const bool skipped = skip_next_;
  skip_next_ = false;
  if (mode == "on") {
    reply_off_ = false;
  } else if (mode == "off") {
    reply_off_ = true;
  } else if (mode == "skip" && !reply_off_) {
    skip_next_ = true;
  }
  if (reply_off_ || skip_next_ || skipped) return {Role::kOneWay, p.exchange};

  const std::string lower = ascii_lower(verb);
  if (is_subscribe_family(lower)) {
    p.kind = Kind::kSubscribe;
    p.verb = lower;
    p.left = words.size() - 1;
  } else if (verb == "MONITOR") {
    p.kind = Kind::kMonitor;
  } else if (verb == "HELLO") {
    p.kind = Kind::kHello;
  } else if (verb == "RESET") {
    p.kind = Kind::kReset;
  } else if (verb == "PSYNC" || verb == "SYNC") {
    p.kind = Kind::kReplication;
  }
  // Only requests seen, no answers: the oldest will not be answered any more.
  if (pending_.size() >= kMaxPending) pending_.pop_front();
  pending_.push_back(std::move(p));
  return {Role::kRequest, exchange_};
}

Pairing::Place Pairing::reply(ByteView bytes) {
  Reader reader(bytes);
  Item item;
  if (!reader.next(item)) return answer();
  const bool pushed = item.type == '>';
  if (pushed || (item.type == '*' && !resp3_)) {
    Item kind, channel, total;
    if (item.count > 0 && reader.next(kind)) {
      if (is_confirmation(kind.text) && reader.next(channel) && reader.next(total)) {
        return confirmation(kind.text, total.text);
      }
      const bool subscribed = subscribed_[0] + subscribed_[1] + subscribed_[2] > 0;
      const ByteView k = kind.text;
      const bool published = k == "message" || k == "pmessage" || k == "smessage";
      if (pushed || (subscribed && published)) return {Role::kPush, ++exchange_};
    }
    if (pushed) return {Role::kPush, ++exchange_};
  }
  if (item.type == '+' && monitor_ && is_monitor_line(item.text)) return {Role::kPush, ++exchange_};
  if (!pending_.empty()) {
    const Pending& front = pending_.front();
    if (front.kind == Kind::kHello && item.type != '-') resp3_ = item.type == '%';
    if (front.kind == Kind::kMonitor && item.type == '+') monitor_ = item.text == "OK";
    if (front.kind == Kind::kReset && item.type == '+') {
      subscribed_ = {};
      monitor_ = resp3_ = false;
    }
  }
  return answer();
}

Pairing::Place Pairing::answer() {
  if (pending_.empty()) return {Role::kPush, ++exchange_};
  const uint64_t exchange = pending_.front().exchange;
  pending_.pop_front();
  return {Role::kAnswer, exchange};
}

// In RESP2 an ordinary reply may look like one: only what was asked for, or is subscribed, counts.
bool Pairing::is_confirmation(ByteView kind) const {
  if (!is_subscribe_family(kind)) return false;
  const bool asked = !pending_.empty() && pending_.front().kind == Kind::kSubscribe;
  return resp3_ || asked || subscribed_[0] + subscribed_[1] + subscribed_[2] > 0;
}

Pairing::Place Pairing::confirmation(ByteView kind, ByteView total_text) {
  const size_t f = family(kind);
  // Also for the case that this reply is the first of an UNSUBSCRIBE without arguments.
  const uint64_t before = subscribed_[f];
  uint64_t total = 0;
  std::from_chars(total_text.data(), total_text.data() + total_text.size(), total);
  const uint64_t other =
      f == 2 ? 0 : subscribed_[1 - f];  // the server counts channels and patterns
  subscribed_[f] = total - std::min(total, other);
  if (pending_.empty() || pending_.front().kind != Kind::kSubscribe ||
      pending_.front().verb != kind) {
    return {Role::kPush, ++exchange_};
  }
  Pending& front = pending_.front();
  if (front.left == 0) front.left = std::max<uint64_t>(1, before);
  if (--front.left == 0) return answer();
  return {Role::kInterim, front.exchange};
}

}  // namespace reprise::wire::redis
