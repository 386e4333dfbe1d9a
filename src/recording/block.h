// Blocks: how records lie in a file. Grammar, worked bytes and resync rule:
// docs/formats/recording.md.
//
//   file   := block*
//   block  := header payload
//   header := "RPB1" kind:u8 flags:u8 zero:u16 stored:u32 raw:u32 records:u32 zero:u32 sum:u64
//   sequence:u64 payload (raw) := ( length:varint bytes )*
//
// Integers are little-endian. `sum` is XXH3-64 of the header with sum = 0, followed by the stored
// payload. A reader that meets damage searches for the next "RPB1" whose sum is right, and tells
// how many bytes it passed over.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace reprise::recording {

enum class BlockKind : uint8_t { kEvents = 1, kSessions = 2, kIndex = 3 };

constexpr size_t kBlockHeader = 40;
constexpr size_t kBlockTarget = 256 << 10;  // raw bytes after which a block closes
constexpr uint32_t kBlockLimit = 1u << 30;  // of a raw payload; a longer claim is damage

// Where records are, by their keys. The index is an uncompressed block of one record for each block, with
// a last record of 12 bytes, "RPX1" and the offset of the index block: a reader finds it from the end of
// the file. Without one (a recorder that was killed) a reader walks the blocks.
struct IndexEntry {
  uint64_t offset = 0;  // of the block
  uint64_t records = 0;
  uint64_t first_key = 0;  // least and greatest of its records
  uint64_t last_key = 0;
};

// Appends blocks to a file. One owner thread.
class BlockWriter {
 public:
  // Creates the file, mode 0600; it must not exist.
  static Result<BlockWriter> create(const std::string& path, BlockKind kind);

  // Puts a record in the open block; writes the block if it has reached its size. key: what the index
  // finds it by, 0 = nothing.
  Status add(ByteView record, uint64_t key = 0);
  // Writes the open block, if any. After it every record given so far is with the kernel.
  Status flush();
  // Flushes, then writes the index: the last block of a file that was finished.
  Status finish();
  uint64_t bytes_written() const { return bytes_written_; }
  uint64_t raw_bytes() const { return raw_bytes_; }
  uint64_t records_added() const { return added_; }
  uint64_t records_lost() const { return lost_; }  // of blocks that could not be written
  // Where the next record will be: the offset of its block, and its place in it.
  std::pair<uint64_t, uint32_t> position() const { return {bytes_written_, records_}; }

 private:
  Fd fd_;
  std::string path_;
  BlockKind kind_ = BlockKind::kEvents;
  Status write_block(BlockKind kind, bool pack);

  Bytes raw_;
  uint32_t records_ = 0;
  uint64_t added_ = 0;
  uint64_t lost_ = 0;
  std::vector<IndexEntry> index_;
  IndexEntry open_;  // of the block that is being filled
  uint64_t sequence_ = 0;
  uint64_t bytes_written_ = 0;
  uint64_t raw_bytes_ = 0;
};

struct Damage {
  std::string file;
  uint64_t offset = 0;
  uint64_t bytes = 0;  // that were passed over
  std::string reason;
};

struct Block {
  BlockKind kind = BlockKind::kEvents;
  uint64_t offset = 0;
  uint64_t sequence = 0;
  Bytes raw;

  // The records, as views into raw.
  std::vector<ByteView> records() const;
};

// Reads a file's blocks in order, past any damage.
class BlockReader {
 public:
  static Result<BlockReader> open(const std::string& path);
  // Only the block at offset, as an index names it.
  static Result<BlockReader> open_block(const std::string& path, uint64_t offset);
  BlockReader(std::string path, Bytes content)
      : path_(std::move(path)), content_(std::move(content)) {}

  // The next good block, or false at the end.
  bool next(Block& block);
  const std::vector<Damage>& damage() const { return damage_; }

 private:
  const char* try_block(size_t at, Block& block, size_t& size);

  std::string path_;
  Bytes content_;
  size_t at_ = 0;
  uint64_t summed_ = 0;  // bytes that checksums were taken over
  std::vector<Damage> damage_;
};

// The index of a finished file; empty if there is none that is whole.
std::vector<IndexEntry> read_index(const std::string& path);

}  // namespace reprise::recording
