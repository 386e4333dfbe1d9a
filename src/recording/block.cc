#include "recording/block.h"

#include <fcntl.h>
#include <unistd.h>
#include <sys/stat.h>
#include <zstd.h>

#include <algorithm>

#include "base/hash.h"
#include "base/proto.h"

namespace reprise::recording {

namespace {

constexpr ByteView kMagic = "RPB1";
constexpr ByteView kIndexMagic = "RPX1";
constexpr size_t kIndexTail = 12;
constexpr size_t kSumAt = 24;
constexpr uint8_t kZstd = 1;

uint64_t checksum(Bytes header, ByteView payload) {
  for (size_t i = 0; i < 8; ++i) header[kSumAt + i] = 0;
  header.append(payload);
  return xxh3_64(header);
}

}  // namespace

Result<BlockWriter> BlockWriter::create(const std::string& path, BlockKind kind) {
  BlockWriter w;
  w.fd_.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!w.fd_) return fail_errno("create " + path);
  w.path_ = path;
  w.kind_ = kind;
  return w;
}

Status BlockWriter::add(ByteView record, uint64_t key) {
  if (record.size() > kBlockLimit / 2) return fail(path_ + ": a record of more than 512 MB");
  ProtoWriter(raw_).varint(record.size());
  raw_.append(record);
  ++records_;
  ++added_;
  if (key != 0) {
    open_.first_key = open_.first_key == 0 ? key : std::min(open_.first_key, key);
    open_.last_key = std::max(open_.last_key, key);
  }
  return raw_.size() >= kBlockTarget ? flush() : Status();
}

Status BlockWriter::flush() {
  if (records_ == 0) return {};
  open_.offset = bytes_written_;
  open_.records = records_;
  const IndexEntry entry = std::exchange(open_, {});
  REPRISE_TRY(write_block(kind_, true));
  index_.push_back(entry);
  return {};
}

Status BlockWriter::finish() {
  REPRISE_TRY(flush());
  const uint64_t at = bytes_written_;
  const auto put = [this](ByteView record) {
    ProtoWriter(raw_).varint(record.size());
    raw_.append(record);
    ++records_;
  };
  for (const IndexEntry& e : index_) {
    Bytes record;
    ProtoWriter w(record);
    w.number(1, e.offset), w.number(2, e.records), w.number(3, e.first_key), w.number(4, e.last_key);
    put(record);
  }
  Bytes last(kIndexMagic);
  put_le64(last, at);
  put(last);
  return write_block(BlockKind::kIndex, false);
}

Status BlockWriter::write_block(BlockKind kind, bool pack) {
  Bytes stored(ZSTD_compressBound(raw_.size()), '\0');
  const size_t n = ZSTD_compress(stored.data(), stored.size(), raw_.data(), raw_.size(), 1);
  const bool packed = pack && !ZSTD_isError(n) && n < raw_.size();
  stored.resize(packed ? n : 0);
  const Bytes& payload = packed ? stored : raw_;
  Bytes block(kMagic);
  put_u8(block, static_cast<unsigned>(kind)), put_u8(block, packed ? kZstd : 0),
      put_le16(block, 0);
  put_le32(block, static_cast<uint32_t>(payload.size()));
  put_le32(block, static_cast<uint32_t>(raw_.size()));
  put_le32(block, records_), put_le32(block, 0);
  put_le64(block, 0), put_le64(block, ++sequence_);
  Bytes sum;
  put_le64(sum, checksum(block, payload));
  block.replace(kSumAt, 8, sum);
  block.append(payload);
  raw_bytes_ += raw_.size();
  raw_.clear();
  const uint32_t records = std::exchange(records_, 0);
  if (auto s = write_all(fd_.get(), block); !s) {
    if (kind != BlockKind::kIndex) lost_ += records;
    // A full disk must not fill memory as well. Half a block would cost the reader a search.
    (void)!::ftruncate(fd_.get(), static_cast<off_t>(bytes_written_));
    (void)::lseek(fd_.get(), static_cast<off_t>(bytes_written_), SEEK_SET);
    return fail(path_ + ": " + s.error().message, "free the disk, or choose another -o",
                ErrorKind::kEnvironment);
  }
  bytes_written_ += block.size();
  return {};
}

std::vector<ByteView> Block::records() const {
  std::vector<ByteView> out;
  ByteView in = raw;
  while (!in.empty()) {
    uint64_t n = 0;
    size_t used = 0;
    for (int shift = 0; used < in.size() && shift < 64; shift += 7) {
      const uint8_t b = u8(in, used++);
      n |= uint64_t(b & 0x7f) << shift;
      if (b < 0x80) break;
    }
    in.remove_prefix(used);
    if (n > in.size()) break;  // cannot be: the sum was right
    out.push_back(in.substr(0, n));
    in.remove_prefix(n);
  }
  return out;
}

Result<BlockReader> BlockReader::open(const std::string& path) {
  REPRISE_ASSIGN(Bytes content, read_file(path));
  return BlockReader(path, std::move(content));
}

Result<BlockReader> BlockReader::open_block(const std::string& path, uint64_t offset) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("read " + path);
  Bytes content(kBlockHeader, '\0');
  if (::pread(fd.get(), content.data(), kBlockHeader, static_cast<off_t>(offset)) !=
      static_cast<ssize_t>(kBlockHeader)) {
    return fail(path + ": no block where the index has one");
  }
  const uint32_t stored = le32(content, 8);
  struct stat st;
  if (::fstat(fd.get(), &st) != 0 || stored > static_cast<uint64_t>(st.st_size)) {
    return fail(path + ": no block where the index has one");
  }
  content.resize(kBlockHeader + stored);
  const ssize_t n = ::pread(fd.get(), content.data() + kBlockHeader, stored,
                            static_cast<off_t>(offset + kBlockHeader));
  if (n != static_cast<ssize_t>(stored)) return fail(path + ": no block where the index has one");
  return BlockReader(path, std::move(content));
}

std::vector<IndexEntry> read_index(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat st;
  Bytes tail(kIndexTail, '\0');
  if (!fd || ::fstat(fd.get(), &st) != 0 || st.st_size < static_cast<off_t>(kIndexTail) ||
      ::pread(fd.get(), tail.data(), kIndexTail, st.st_size - static_cast<off_t>(kIndexTail)) !=
          static_cast<ssize_t>(kIndexTail) ||
      ByteView(tail).substr(0, 4) != kIndexMagic) {
    return {};
  }
  const uint64_t at = le64(tail, 4);
  auto reader = BlockReader::open_block(path, at);
  Block block;
  if (!reader || !reader->next(block) || block.kind != BlockKind::kIndex) return {};
  std::vector<IndexEntry> index;
  const std::vector<ByteView> records = block.records();
  for (size_t i = 0; i + 1 < records.size(); ++i) {
    IndexEntry e;
    for (ProtoReader r(records[i]); r.next();) {
      switch (r.field()) {
        case 1: e.offset = r.number(); break;
        case 2: e.records = r.number(); break;
        case 3: e.first_key = r.number(); break;
        case 4: e.last_key = r.number(); break;
      }
    }
    index.push_back(e);
  }
  return index;
}

// Null if there is a good block at `at`, else why not.
const char* BlockReader::try_block(size_t at, Block& block, size_t& size) {
  const ByteView in = ByteView(content_).substr(at);
  if (in.size() < kBlockHeader) return "an incomplete header";
  if (in.substr(0, 4) != kMagic) return "no block where one should begin";
  const uint32_t stored = le32(in, 8), raw = le32(in, 12);
  // zstd packs a run of zeros about 1 to 30000; more is no block of ours, but a trap for memory.
  if (raw > kBlockLimit || stored > raw || raw / 65536 > stored) return "an impossible length";
  if (in.size() - kBlockHeader < stored) return "an incomplete block";
  const ByteView payload = in.substr(kBlockHeader, stored);
  // Each false start costs a checksum over what it claims: bounded, or a file of nothing but false
  // starts would take the square of its length.
  summed_ += stored;
  if (summed_ > 8 * content_.size() + (64u << 20)) return "too much damage to go on";
  if (checksum(Bytes(in.substr(0, kBlockHeader)), payload) != le64(in, kSumAt))
    return "a wrong checksum";
  block.kind = static_cast<BlockKind>(u8(in, 4));
  block.offset = at;
  block.sequence = le64(in, 32);
  if ((u8(in, 5) & kZstd) != 0) {
    block.raw.resize(raw);
    if (ZSTD_decompress(block.raw.data(), raw, payload.data(), payload.size()) != raw) {
      return "a payload that does not decompress";
    }
  } else {
    block.raw = Bytes(payload);
  }
  size = kBlockHeader + stored;
  return nullptr;
}

bool BlockReader::next(Block& block) {
  const char* first_reason = nullptr;
  const size_t from = at_;
  while (at_ < content_.size()) {
    size_t size = 0;
    const char* reason = try_block(at_, block, size);
    if (reason == nullptr) {
      if (at_ > from) damage_.push_back({path_, from, at_ - from, first_reason});
      at_ += size;
      return true;
    }
    if (first_reason == nullptr) first_reason = reason;
    const size_t found = content_.find(kMagic, at_ + 1);
    at_ = found == Bytes::npos ? content_.size() : found;
  }
  if (at_ > from) damage_.push_back({path_, from, at_ - from, first_reason});
  return false;
}

}  // namespace reprise::recording
