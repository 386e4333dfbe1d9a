#include "recording/block.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"

namespace reprise::recording {
namespace {

class BlockFile : public ::testing::Test {
 protected:
  BlockFile() {
    char name[] = "/tmp/reprise-block-XXXXXX";
    folder_ = mkdtemp(name);
    path_ = folder_ + "/f";
  }
  ~BlockFile() override {
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
  }
  // Five blocks of a few records, some that pack and some that do not; where each begins.
  Bytes write() {
    auto w = BlockWriter::create(path_, BlockKind::kSessions);
    EXPECT_TRUE(w);
    uint32_t seed = 1;
    for (int b = 0; b < 5; ++b) {
      starts_.push_back(w->bytes_written());
      for (int r = 0; r < 4; ++r) {
        Bytes record(static_cast<size_t>(r * 13), 'a');
        for (char& c : record)
          c = static_cast<char>(b % 2 ? 'a' : (seed = seed * 1664525 + 1013904223) >> 24);
        records_.push_back(record);
        EXPECT_TRUE(w->add(record));
      }
      EXPECT_TRUE(w->flush());
    }
    starts_.push_back(w->bytes_written());
    return *read_file(path_);
  }
  struct Read {
    std::vector<Bytes> records;
    std::vector<uint64_t> offsets;
    uint64_t damaged = 0;
  };
  static Read read(const Bytes& content) {
    BlockReader reader("f", content);
    Read out;
    Block block;
    while (reader.next(block)) {
      out.offsets.push_back(block.offset);
      for (ByteView r : block.records()) out.records.emplace_back(r);
    }
    for (const Damage& d : reader.damage()) out.damaged += d.bytes;
    return out;
  }

  std::string folder_, path_;
  std::vector<uint64_t> starts_;
  std::vector<Bytes> records_;
};

TEST_F(BlockFile, TheIndexFindsBlocksFromTheEnd) {
  {
    auto w = BlockWriter::create(path_, BlockKind::kSessions);
    ASSERT_TRUE(w);
    for (uint64_t key : {3, 1, 2}) ASSERT_TRUE(w->add("record " + std::to_string(key), key));
    ASSERT_TRUE(w->flush());
    ASSERT_TRUE(w->add("record 9", 9));
    EXPECT_TRUE(read_index(path_).empty());  // not finished
    ASSERT_TRUE(w->finish());
  }
  const std::vector<IndexEntry> index = read_index(path_);
  ASSERT_EQ(index.size(), 2u);
  EXPECT_EQ(index[0].first_key, 1u);
  EXPECT_EQ(index[0].last_key, 3u);
  EXPECT_EQ(index[0].records, 3u);
  EXPECT_EQ(index[1].first_key, 9u);
  auto reader = BlockReader::open_block(path_, index[1].offset);
  ASSERT_TRUE(reader);
  Block block;
  ASSERT_TRUE(reader->next(block));
  EXPECT_EQ(block.records().at(0), "record 9");
  // A file that lost its end has no index, and nothing is read where none can be.
  const Bytes content = *read_file(path_);
  for (size_t n = 0; n < content.size(); ++n) {
    ASSERT_TRUE(replace_file(path_, ByteView(content).substr(0, n)));
    EXPECT_TRUE(read_index(path_).empty()) << n;
  }
}

TEST_F(BlockFile, RecordsComeBack) {
  const Read all = read(write());
  EXPECT_EQ(all.records, records_);
  EXPECT_EQ(all.damaged, 0u);
}

TEST_F(BlockFile, TruncatedAtEveryByteWhatIsWholeIsRead) {
  const Bytes content = write();
  for (size_t n = 0; n <= content.size(); ++n) {
    const Read got = read(content.substr(0, n));
    size_t whole = 0;
    while (whole < 5 && starts_[whole + 1] <= n) ++whole;
    ASSERT_EQ(got.offsets.size(), whole) << n;
    EXPECT_EQ(got.records, std::vector<Bytes>(records_.begin(),
                                              records_.begin() + static_cast<long>(whole * 4)));
    EXPECT_EQ(got.damaged, n - starts_[whole]) << n;
  }
}

TEST_F(BlockFile, AFlippedBitCostsItsBlockOnly) {
  const Bytes content = write();
  for (size_t n = 0; n < content.size(); ++n) {
    Bytes flipped = content;
    flipped[n] = static_cast<char>(content[n] ^ (1 << (n % 8)));
    const Read got = read(flipped);
    size_t hurt = 0;
    while (starts_[hurt + 1] <= n) ++hurt;
    ASSERT_EQ(got.offsets.size(), 4u) << n;
    for (uint64_t offset : got.offsets) EXPECT_NE(offset, starts_[hurt]);
    EXPECT_EQ(got.damaged, starts_[hurt + 1] - starts_[hurt]) << n;
  }
}

TEST_F(BlockFile, GarbageBetweenBlocksIsPassedOverAndTold) {
  const Bytes content = write();
  const Bytes garbage = "RPB1 is what a block begins with, RPB1RPB1";
  const Read got =
      read(garbage + content.substr(0, starts_[2]) + garbage + content.substr(starts_[2]));
  EXPECT_EQ(got.records, records_);
  EXPECT_EQ(got.damaged, 2 * garbage.size());
}

// A file of nothing but false starts, each claiming all the rest: the work stays linear.
TEST_F(BlockFile, FalseStartsAreNotQuadratic) {
  constexpr size_t kStarts = 200000;
  Bytes content;
  for (size_t i = 0; i < kStarts; ++i) {
    Bytes header = "RPB1";
    put_le32(header, 2);
    const auto rest = static_cast<uint32_t>((kStarts - i - 1) * kBlockHeader);
    put_le32(header, rest), put_le32(header, rest);
    header.resize(kBlockHeader);
    content += header;
  }
  const Read got = read(content);
  EXPECT_TRUE(got.records.empty());
  EXPECT_EQ(got.damaged, content.size());
}

TEST_F(BlockFile, TheWriterClosesABlockAtItsSize) {
  auto w = BlockWriter::create(path_, BlockKind::kEvents);
  ASSERT_TRUE(w);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(w->add(Bytes(10000, static_cast<char>(i))));
  EXPECT_GT(w->bytes_written(), 0u);
  EXPECT_EQ(w->raw_bytes() / kBlockTarget, 3u);
}

TEST_F(BlockFile, AnExistingFileIsNotTouched) {
  ASSERT_TRUE(replace_file(path_, "mine"));
  EXPECT_FALSE(BlockWriter::create(path_, BlockKind::kEvents));
  EXPECT_EQ(*read_file(path_), "mine");
}

}  // namespace
}  // namespace reprise::recording
