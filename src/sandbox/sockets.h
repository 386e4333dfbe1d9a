// Making sockets, on either side of the stage's wall.
#pragma once

#include <chrono>
#include <optional>

#include "base/address.h"
#include "base/file.h"

namespace reprise::sandbox {

// Bound, non-blocking, close-on-exec; streams listen. A Unix path is replaced, with mode 0777.
Result<Fd> bound_socket(const Address& address, int type);

// Connects `socket` (non-blocking); `from` as in Stage::connect. A socket belongs to the network
// namespace it was made in, wherever it is used. False: `from` still has a connection to that place
// in TIME_WAIT; the socket is of no more use, a port of the kernel's choice will do.
Result<bool> connect_socket(int socket, const Address& to, const std::optional<Address>& from,
                            std::chrono::milliseconds timeout);

}  // namespace reprise::sandbox
