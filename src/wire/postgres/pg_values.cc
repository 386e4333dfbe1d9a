// Values by type OID (src/include/catalog/pg_type.dat of PostgreSQL).
#include <fmt/format.h>

#include <bit>

#include "wire/postgres/pg_messages.h"

namespace reprise::wire::postgres {

namespace {

enum Oid : uint32_t {
  kBool = 16,
  kBytea = 17,
  kChar = 18,
  kName = 19,
  kInt8 = 20,
  kInt2 = 21,
  kInt4 = 23,
  kText = 25,
  kOid = 26,
  kJson = 114,
  kFloat4 = 700,
  kFloat8 = 701,
  kUnknown = 705,
  kBpchar = 1042,
  kVarchar = 1043,
  kDate = 1082,
  kTime = 1083,
  kTimestamp = 1114,
  kTimestamptz = 1184,
  kNumeric = 1700,
  kUuid = 2950,
  kJsonb = 3802,
};

bool is_number(uint32_t oid) {
  return oid == kInt2 || oid == kInt4 || oid == kInt8 || oid == kOid || oid == kFloat4 ||
         oid == kFloat8 || oid == kNumeric;
}

int64_t be64(ByteView v) { return static_cast<int64_t>(uint64_t{be32(v, 0)} << 32 | be32(v, 4)); }

// numeric: count of base-10000 digits, weight of the first, sign, digits behind the point.
bool numeric_text(ByteView v, std::string& out) {
  Reader r(v);
  const unsigned count = r.int16();
  const auto weight = static_cast<int16_t>(r.int16());
  const unsigned sign = r.int16();
  const unsigned scale = r.int16();
  if (!r.ok() || r.left() != size_t{count} * 2 || scale > 0x3fff || weight > 4000 || weight < -4000)
    return false;
  if (sign == 0xc000) return out = "NaN", true;
  if (sign == 0xd000 || sign == 0xf000)
    return out = sign == 0xd000 ? "Infinity" : "-Infinity", true;
  std::vector<unsigned> digits;
  for (unsigned i = 0; i < count; ++i) digits.push_back(r.int16());
  const auto digit = [&](int at) {  // of weight at
    const int i = weight - at;
    return i >= 0 && i < static_cast<int>(count) ? digits[static_cast<size_t>(i)] % 10000 : 0u;
  };
  out = sign == 0x4000 ? "-" : "";
  out += fmt::format("{}", weight >= 0 ? digit(weight) : 0);
  for (int at = weight - 1; at >= 0; --at) out += fmt::format("{:04}", digit(at));
  if (scale > 0) {
    std::string behind;
    for (int at = -1; behind.size() < scale; --at) behind += fmt::format("{:04}", digit(at));
    out += "." + behind.substr(0, scale);
  }
  return true;
}

bool read_binary(ByteView v, uint32_t oid, Leaf& leaf) {
  leaf.form = LeafForm::kNumber;
  switch (oid) {
    case kBool:
      if (v.size() != 1) return false;
      leaf.form = LeafForm::kText;
      leaf.text = v[0] != 0 ? "t" : "f";
      return true;
    case kInt2:
      if (v.size() != 2) return false;
      leaf.text = fmt::format("{}", static_cast<int16_t>(be16(v, 0)));
      return true;
    case kInt4:
    case kDate:  // days since 2000-01-01
      if (v.size() != 4) return false;
      leaf.text = fmt::format("{}", static_cast<int32_t>(be32(v, 0)));
      return true;
    case kOid:
      if (v.size() != 4) return false;
      leaf.text = fmt::format("{}", be32(v, 0));
      return true;
    case kInt8:
    case kTime:
    case kTimestamp:  // microseconds since 2000-01-01
    case kTimestamptz:
      if (v.size() != 8) return false;
      leaf.text = fmt::format("{}", be64(v));
      return true;
    case kFloat4:
      if (v.size() != 4) return false;
      leaf.text = fmt::format("{}", std::bit_cast<float>(be32(v, 0)));
      return true;
    case kFloat8:
      if (v.size() != 8) return false;
      leaf.text = fmt::format("{}", std::bit_cast<double>(be64(v)));
      return true;
    case kNumeric:
      return numeric_text(v, leaf.text);
    case kUuid: {
      if (v.size() != 16) return false;
      const std::string h = to_hex(v);
      leaf.form = LeafForm::kText;
      leaf.text = h.substr(0, 8) + "-" + h.substr(8, 4) + "-" + h.substr(12, 4) + "-" +
                  h.substr(16, 4) + "-" + h.substr(20);
      return true;
    }
    case kJsonb:
      if (v.empty() || v[0] != 1) return false;
      leaf.form = LeafForm::kText;
      leaf.text = Bytes(v.substr(1));
      return true;
    case kText:
    case kVarchar:
    case kBpchar:
    case kName:
    case kChar:
    case kUnknown:
    case kJson:
      leaf.form = LeafForm::kText;
      leaf.text = Bytes(v);
      return true;
    default:
      return false;
  }
}

}  // namespace

void read_value(ByteView value, uint32_t oid, unsigned format, Leaf& leaf) {
  if (format == 0) {
    leaf.form = is_number(oid) ? LeafForm::kNumber : LeafForm::kText;
    leaf.text = Bytes(value);
  } else if (!read_binary(value, oid, leaf)) {
    leaf.form = LeafForm::kBinary;
    leaf.text = Bytes(value);
  }
}

}  // namespace reprise::wire::postgres
