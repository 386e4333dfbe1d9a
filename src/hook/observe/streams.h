// Which descriptor is which stream. A descriptor is classified once and forgotten at close; the
// identity of a stream survives dup and fd reuse.
#pragma once

#include "hook/observe/platform.h"

namespace reprise::hook {

struct Slot {
  uint32_t refs;  // descriptors that name it in this process; 0 = free
  uint8_t transport;
  uint8_t datagram;    // SOCK_DGRAM: boundaries matter
  uint8_t connecting;  // a non-blocking connect has not been heard of yet
  uint8_t ended;       // EOF was recorded already
  uint64_t stream;
  uint64_t in;  // bytes so far, by direction
  uint64_t out;
  uint64_t pad[4];
};
static_assert(sizeof(Slot) == 64);

bool init_streams();

// The stream of a descriptor, classifying it on first sight; null if it carries none.
Slot* stream_of(int fd);
// The same without classifying: null for a descriptor not met before.
Slot* known_stream_of(int fd);

// A fresh stream for fd, whatever fd was before. Null if the table is full (counted).
Slot* open_stream(int fd, uint8_t transport, bool datagram);
void forget(int fd);  // before the real close: emits the close event of the last descriptor
void ignore(int fd);  // carries nothing that we record
void duplicate(int from, int to);

// Emits the open record of fd's stream.
void announce_open(int fd, Slot* slot, uint8_t kind, uint64_t time, const sockaddr* peer,
                   socklen_t peer_size, int error, bool in_progress);
void note_connected(int fd, Slot* slot, int error);

void fill_address(AddressBody* out, const sockaddr* address, socklen_t size);

}  // namespace reprise::hook
