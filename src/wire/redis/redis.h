// Redis and its kin (Valkey, KeyDB): RESP2, RESP3, inline commands, pipelining.
//
// A command gets one reply, with these exceptions: a SUBSCRIBE of n channels gets n confirmations
// (the first n - 1 are interim answers); published messages, invalidations and the lines of MONITOR
// are kPush; CLIENT REPLY OFF and SKIP make commands kOneWay. A replication stream (SYNC, PSYNC) is
// a fault where the answer begins. Empty units ("\r\n", "*0") get no reply: they are the beginning
// of the message behind them.
#pragma once

#include "wire/codec.h"

namespace reprise::wire {

ProtocolEntry redis_entry();

}  // namespace reprise::wire
