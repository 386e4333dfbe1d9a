// FastCGI 1.0 (https://fastcgi-archives.github.io/FastCGI_Specification.html), as php-fpm speaks
// it.
//
// A request is the records from BEGIN_REQUEST to the end of its input, an answer those up to
// END_REQUEST. Requests of one connection may interleave: the bytes of a message are its records in
// order, [begin, end) runs from its first to its last one and may overlap that of others; bytes is
// then shorter than end - begin. Records outside any request are messages of their own, kOneWay or
// kPush.
#pragma once

#include "wire/codec.h"

namespace reprise::wire {

ProtocolEntry fastcgi_entry();

}  // namespace reprise::wire
