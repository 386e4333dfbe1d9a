// Lists of addresses as people write them: "10.0.0.0/8", "db.internal:5432", ":9090", "[::1]:80",
// "/run/app.sock", several with commas.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"

namespace reprise::flow {

class EndpointList {
 public:
  // Names are resolved now; each of their addresses counts.
  Status add(const std::string& list);
  bool empty() const { return entries_.empty(); }
  bool contains(const Address& address) const;

 private:
  struct Entry {
    bool any_host = false;
    bool unix_path = false;
    std::string path;
    std::string bits;  // 4 or 16 bytes of the network
    int prefix = 0;    // length in bits
    uint16_t port = 0;  // 0: every port
  };
  Status add_one(const std::string& word);
  Status add_host(const std::string& host, int prefix, uint16_t port);
  std::vector<Entry> entries_;
};

}  // namespace reprise::flow
