// A hostile file: every byte is either in a good block or told as damage.
#include <cstdlib>

#include "recording/block.h"
#include "session/encode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  using namespace reprise;
  using namespace reprise::recording;
  BlockReader reader("f", Bytes(reinterpret_cast<const char*>(input), size));
  Block block;
  uint64_t good = 0, damaged = 0, last = 0;
  while (reader.next(block)) {
    if (good > 0 && block.offset <= last) std::abort();
    last = block.offset;
    ++good;
    for (ByteView record : block.records()) (void)session::decode_session(record);
  }
  for (const Damage& d : reader.damage()) damaged += d.bytes;
  if (damaged + good * kBlockHeader > size) std::abort();
  if (good == 0 && damaged != size) std::abort();
  return 0;
}
