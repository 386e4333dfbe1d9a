#include "compare/times.h"

#include <cstdlib>

#include "value/shape.h"

namespace reprise::compare {

namespace {

constexpr int64_t kSecond = 1000000000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kTwoDays = 2 * 86400 * kSecond;

// The n digits at `at`, -1 if they are not all digits.
int digits(std::string_view t, size_t at, size_t n) {
  if (at + n > t.size()) return -1;
  int v = 0;
  for (size_t i = at; i < at + n; ++i) {
    if (t[i] < '0' || t[i] > '9') return -1;
    v = v * 10 + (t[i] - '0');
  }
  return v;
}

// Days since the epoch of a date of the Gregorian calendar (H. Hinnant, "days_from_civil").
int64_t days(int64_t y, int m, int d) {
  y -= m <= 2;
  const int64_t era = y / 400;
  const int64_t yoe = y - era * 400;
  const int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

std::optional<int64_t> moment(int y, int mo, int d, int h, int mi, int s) {
  // Years that nanoseconds in 64 bits can hold.
  if (y < 1700 || y > 2200 || mo < 1 || mo > 12 || d < 1 || d > 31) return std::nullopt;
  if (h < 0 || h > 24 || mi < 0 || mi > 59 || s < 0 || s > 60) return std::nullopt;
  return (days(y, mo, d) * 86400 + h * 3600 + mi * 60 + s) * kSecond;
}

// "2026-01-31T10:20:30.123456+02:00", also with a space, without seconds, without a zone.
std::optional<int64_t> iso(std::string_view t) {
  if (t.size() < 16 || t[4] != '-' || t[7] != '-' || t[13] != ':') return std::nullopt;
  if (t[10] != 'T' && t[10] != ' ') return std::nullopt;
  int second = 0;
  size_t at = 16;
  if (at < t.size() && t[at] == ':') {
    second = digits(t, at + 1, 2);
    at += 3;
  }
  auto ns = moment(digits(t, 0, 4), digits(t, 5, 2), digits(t, 8, 2), digits(t, 11, 2),
                   digits(t, 14, 2), second);
  if (!ns) return std::nullopt;
  if (at < t.size() && (t[at] == '.' || t[at] == ',')) {
    int64_t unit = kSecond / 10;
    for (++at; at < t.size() && t[at] >= '0' && t[at] <= '9'; ++at, unit /= 10) {
      *ns += (t[at] - '0') * unit;
    }
  }
  if (at < t.size() && (t[at] == '+' || t[at] == '-')) {
    const int hours = digits(t, at + 1, 2);
    const int minutes = digits(t, t.size() > at + 3 && t[at + 3] == ':' ? at + 4 : at + 3, 2);
    if (hours < 0) return std::nullopt;
    const int64_t off = (hours * 60 + (minutes > 0 ? minutes : 0)) * kMinute;
    *ns -= t[at] == '+' ? off : -off;
  }
  return ns;
}

// "Sun, 06 Nov 1994 08:49:37 GMT"; cookies also write dashes.
std::optional<int64_t> http_date(std::string_view t) {
  if (t.size() < 25 || t[3] != ',') return std::nullopt;
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const size_t month = kMonths.find(t.substr(8, 3));
  if (month == std::string_view::npos || month % 3 != 0) return std::nullopt;
  return moment(digits(t, 12, 4), static_cast<int>(month / 3) + 1, digits(t, 5, 2),
                digits(t, 17, 2), digits(t, 20, 2), digits(t, 23, 2));
}

// Of a text that shape_of calls an epoch: the unit is the one that puts it near around_ns.
std::optional<int64_t> epoch(std::string_view t, int64_t around_ns) {
  const size_t dot = t.find('.');
  int64_t v = 0;
  for (const char c : t.substr(0, dot)) v = v * 10 + (c - '0');
  for (const int64_t unit : {kSecond, kSecond / 1000, int64_t{1000}, int64_t{1}}) {
    if (v > INT64_MAX / unit) continue;
    const int64_t ns = v * unit;
    if (ns - around_ns < kTwoDays && around_ns - ns < kTwoDays) return ns;
  }
  return std::nullopt;
}

bool near(int64_t a, int64_t b, int64_t within) {
  int64_t distance = 0;
  return !__builtin_sub_overflow(a, b, &distance) && distance <= within && distance >= -within;
}

}  // namespace

std::optional<int64_t> parse_time(std::string_view text, int64_t around_ns) {
  if (around_ns > 0 && value::shape_of(text, around_ns) == value::Shape::kEpoch) {
    return epoch(text, around_ns);
  }
  if (text.size() > 40) return std::nullopt;
  if (auto ns = iso(text)) return ns;
  return http_date(text);
}

bool same_moment(std::string_view recorded, int64_t recorded_ns, std::string_view live,
                 int64_t live_ns) {
  const auto then = parse_time(recorded, recorded_ns);
  if (!then || !near(*then, recorded_ns, kTwoDays)) return false;
  auto now = parse_time(live, live_ns);
  if (!now) now = parse_time(live, recorded_ns);  // under a shifted clock
  if (!now) return false;
  if (near(*then, *now, kMinute)) return true;
  return near(*now, live_ns, kTwoDays + kMinute) &&
         near(*then - recorded_ns, *now - live_ns, kMinute);
}

}  // namespace reprise::compare
