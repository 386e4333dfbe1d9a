// Source of effects: the flags "readonly" and "write" of COMMAND in Redis 7.
#include "wire/redis/commands.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>

namespace reprise::wire::redis {

namespace {

constexpr Effect R = Effect::kRead;
constexpr Effect W = Effect::kWrite;
constexpr Effect U = Effect::kUnknown;

constexpr CommandInfo kCommands[] = {
    // Strings.
    {"GET", R, "i"},
    {"MGET", R, "i"},
    {"STRLEN", R, "i"},
    {"GETRANGE", R, "i"},
    {"SUBSTR", R, "i"},
    {"LCS", R, "i"},
    {"SET", W, "iv"},
    {"SETNX", W, "iv"},
    {"SETEX", W, "iv"},
    {"PSETEX", W, "iv"},
    {"GETSET", W, "iv"},
    {"GETEX", W, "iv"},
    {"GETDEL", W, "i"},
    {"MSET", W, "(iv)"},
    {"MSETNX", W, "(iv)"},
    {"APPEND", W, "iv"},
    {"SETRANGE", W, "iv"},
    {"INCR", W, "i"},
    {"DECR", W, "i"},
    {"INCRBY", W, "iv"},
    {"DECRBY", W, "iv"},
    {"INCRBYFLOAT", W, "iv"},
    // Keys.
    {"EXISTS", R, "i"},
    {"TYPE", R, "i"},
    {"TTL", R, "i"},
    {"PTTL", R, "i"},
    {"EXPIRETIME", R, "i"},
    {"PEXPIRETIME", R, "i"},
    {"DUMP", R, "i"},
    {"KEYS", R, "i"},
    {"SCAN", R, "i"},
    {"RANDOMKEY", R, "i"},
    {"DBSIZE", R, "i"},
    {"TOUCH", R, "i"},
    {"SORT_RO", R, "i"},
    {"OBJECT ENCODING", R, "i"},
    {"OBJECT FREQ", R, "i"},
    {"OBJECT IDLETIME", R, "i"},
    {"OBJECT REFCOUNT", R, "i"},
    {"MEMORY USAGE", R, "i"},
    {"DEL", W, "i"},
    {"UNLINK", W, "i"},
    {"EXPIRE", W, "iv"},
    {"PEXPIRE", W, "iv"},
    {"EXPIREAT", W, "iv"},
    {"PEXPIREAT", W, "iv"},
    {"PERSIST", W, "i"},
    {"RENAME", W, "i"},
    {"RENAMENX", W, "i"},
    {"COPY", W, "i"},
    {"MOVE", W, "i"},
    {"RESTORE", W, "iv"},
    {"SORT", W, "i"},
    {"FLUSHDB", W, "i"},
    {"FLUSHALL", W, "i"},
    {"SWAPDB", W, "i"},
    // Hashes.
    {"HGET", R, "i"},
    {"HMGET", R, "i"},
    {"HGETALL", R, "i"},
    {"HKEYS", R, "i"},
    {"HVALS", R, "i"},
    {"HLEN", R, "i"},
    {"HEXISTS", R, "i"},
    {"HSTRLEN", R, "i"},
    {"HSCAN", R, "i"},
    {"HRANDFIELD", R, "i"},
    {"HTTL", R, "i"},
    {"HSET", W, "i(iv)"},
    {"HMSET", W, "i(iv)"},
    {"HSETNX", W, "i(iv)"},
    {"HDEL", W, "i"},
    {"HINCRBY", W, "iiv"},
    {"HINCRBYFLOAT", W, "iiv"},
    {"HEXPIRE", W, "iv"},
    // Lists.
    {"LRANGE", R, "i"},
    {"LINDEX", R, "i"},
    {"LLEN", R, "i"},
    {"LPOS", R, "i"},
    {"LPUSH", W, "iv"},
    {"RPUSH", W, "iv"},
    {"LPUSHX", W, "iv"},
    {"RPUSHX", W, "iv"},
    {"LPOP", W, "i"},
    {"RPOP", W, "i"},
    {"LMPOP", W, "i"},
    {"BLPOP", W, "i"},
    {"BRPOP", W, "i"},
    {"BLMOVE", W, "i"},
    {"BLMPOP", W, "i"},
    {"LMOVE", W, "i"},
    {"RPOPLPUSH", W, "i"},
    {"BRPOPLPUSH", W, "i"},
    {"LSET", W, "iiv"},
    {"LREM", W, "i"},
    {"LTRIM", W, "i"},
    {"LINSERT", W, "iiiv"},
    // Sets.
    {"SMEMBERS", R, "i"},
    {"SISMEMBER", R, "i"},
    {"SMISMEMBER", R, "i"},
    {"SCARD", R, "i"},
    {"SRANDMEMBER", R, "i"},
    {"SINTER", R, "i"},
    {"SINTERCARD", R, "i"},
    {"SUNION", R, "i"},
    {"SDIFF", R, "i"},
    {"SSCAN", R, "i"},
    {"SADD", W, "iv"},
    {"SREM", W, "i"},
    {"SPOP", W, "i"},
    {"SMOVE", W, "i"},
    {"SINTERSTORE", W, "i"},
    {"SUNIONSTORE", W, "i"},
    {"SDIFFSTORE", W, "i"},
    // Sorted sets and geography.
    {"ZRANGE", R, "i"},
    {"ZREVRANGE", R, "i"},
    {"ZRANGEBYSCORE", R, "i"},
    {"ZREVRANGEBYSCORE", R, "i"},
    {"ZRANGEBYLEX", R, "i"},
    {"ZREVRANGEBYLEX", R, "i"},
    {"ZSCORE", R, "i"},
    {"ZMSCORE", R, "i"},
    {"ZRANK", R, "i"},
    {"ZREVRANK", R, "i"},
    {"ZCARD", R, "i"},
    {"ZCOUNT", R, "i"},
    {"ZLEXCOUNT", R, "i"},
    {"ZSCAN", R, "i"},
    {"ZDIFF", R, "i"},
    {"ZINTER", R, "i"},
    {"ZUNION", R, "i"},
    {"ZRANDMEMBER", R, "i"},
    {"GEOPOS", R, "i"},
    {"GEODIST", R, "i"},
    {"GEOHASH", R, "i"},
    {"GEOSEARCH", R, "i"},
    {"GEORADIUS_RO", R, "i"},
    {"ZADD", W, "iv"},
    {"ZINCRBY", W, "ivi"},
    {"ZREM", W, "i"},
    {"ZPOPMIN", W, "i"},
    {"ZPOPMAX", W, "i"},
    {"BZPOPMIN", W, "i"},
    {"BZPOPMAX", W, "i"},
    {"ZREMRANGEBYSCORE", W, "i"},
    {"ZREMRANGEBYRANK", W, "i"},
    {"ZREMRANGEBYLEX", W, "i"},
    {"ZRANGESTORE", W, "i"},
    {"ZUNIONSTORE", W, "i"},
    {"ZINTERSTORE", W, "i"},
    {"ZDIFFSTORE", W, "i"},
    {"GEOADD", W, "iv"},
    // Bits, HyperLogLog.
    {"GETBIT", R, "i"},
    {"BITCOUNT", R, "i"},
    {"BITPOS", R, "i"},
    {"BITFIELD_RO", R, "i"},
    {"SETBIT", W, "iiv"},
    {"BITOP", W, "i"},
    {"BITFIELD", W, "i"},
    {"PFCOUNT", R, "i"},
    {"PFADD", W, "iv"},
    {"PFMERGE", W, "i"},
    // Streams.
    {"XRANGE", R, "i"},
    {"XREVRANGE", R, "i"},
    {"XLEN", R, "i"},
    {"XREAD", R, "i"},
    {"XPENDING", R, "i"},
    {"XINFO STREAM", R, "i"},
    {"XINFO GROUPS", R, "i"},
    {"XINFO CONSUMERS", R, "i"},
    {"XADD", W, "iv"},
    {"XDEL", W, "i"},
    {"XTRIM", W, "i"},
    {"XACK", W, "i"},
    {"XREADGROUP", W, "i"},
    {"XCLAIM", W, "i"},
    {"XAUTOCLAIM", W, "i"},
    {"XGROUP CREATE", W, "i"},
    {"XGROUP DESTROY", W, "i"},
    {"XGROUP SETID", W, "i"},
    {"XGROUP CREATECONSUMER", W, "i"},
    {"XGROUP DELCONSUMER", W, "i"},
    // Publish and subscribe.
    {"PUBLISH", W, "iv"},
    {"SPUBLISH", W, "iv"},
    {"SUBSCRIBE", R, "i"},
    {"PSUBSCRIBE", R, "i"},
    {"SSUBSCRIBE", R, "i"},
    {"UNSUBSCRIBE", R, "i"},
    {"PUNSUBSCRIBE", R, "i"},
    {"SUNSUBSCRIBE", R, "i"},
    {"PUBSUB CHANNELS", R, "i"},
    {"PUBSUB NUMSUB", R, "i"},
    {"PUBSUB NUMPAT", R, "i"},
    // Transactions and scripts. MULTI and WATCH change nothing by themselves.
    {"MULTI", R, "i"},
    {"DISCARD", R, "i"},
    {"WATCH", R, "i"},
    {"UNWATCH", R, "i"},
    {"EXEC", W, "i"},
    {"EVAL", U, "i"},
    {"EVALSHA", U, "i"},
    {"EVAL_RO", R, "i"},
    {"EVALSHA_RO", R, "i"},
    {"FCALL", U, "i"},
    {"FCALL_RO", R, "i"},
    {"SCRIPT EXISTS", R, "i"},
    {"SCRIPT LOAD", W, "i"},
    // Server.
    {"INFO", R, "i"},
    {"TIME", R, "i"},
    {"LASTSAVE", R, "i"},
    {"ROLE", R, "i"},
    {"WAIT", R, "i"},
    {"MONITOR", R, "i"},
    {"CONFIG GET", R, "i"},
    {"CONFIG SET", W, "iv"},
    {"ACL WHOAMI", R, "i"},
    {"CLIENT LIST", R, "i"},
    {"CLIENT INFO", R, "i"},
    {"CLIENT GETNAME", R, "i"},
    {"CLIENT KILL", W, "i"},
    // Login.
    {"AUTH", R, "s", Tier::kHandshake},
    {"HELLO", R, "is", Tier::kHandshake},
    {"PING", R, "i", Tier::kHeartbeat},
    {"ECHO", R, "i", Tier::kHeartbeat},
    // Session set-up.
    {"SELECT", R, "i", Tier::kSetup},
    {"READONLY", R, "i", Tier::kSetup},
    {"READWRITE", R, "i", Tier::kSetup},
    {"ASKING", R, "i", Tier::kSetup},
    {"RESET", R, "i", Tier::kSetup},
    {"QUIT", R, "i", Tier::kSetup},
    {"CLIENT SETNAME", R, "c", Tier::kSetup},
    {"CLIENT SETINFO", R, "ic", Tier::kSetup},
    {"CLIENT ID", R, "i", Tier::kSetup},
    {"CLIENT NO-EVICT", R, "i", Tier::kSetup},
    {"CLIENT NO-TOUCH", R, "i", Tier::kSetup},
    {"CLIENT TRACKING", R, "i", Tier::kSetup},
    {"CLIENT CACHING", R, "i", Tier::kSetup},
    {"CLIENT REPLY", R, "i", Tier::kSetup},
    {"COMMAND", R, "i", Tier::kSetup},
    {"COMMAND DOCS", R, "i", Tier::kSetup},
    {"COMMAND COUNT", R, "i", Tier::kSetup},
    {"COMMAND INFO", R, "i", Tier::kSetup},
    {"CLUSTER SLOTS", R, "i", Tier::kSetup},
    {"CLUSTER SHARDS", R, "i", Tier::kSetup},
    {"CLUSTER NODES", R, "i", Tier::kSetup},
    {"CLUSTER MYID", R, "i", Tier::kSetup},
};

constexpr std::array<std::string_view, 15> kFamilies = {
    "ACL",    "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG",  "FUNCTION", "LATENCY",
    "MEMORY", "MODULE", "OBJECT",  "PUBSUB",  "SCRIPT", "XGROUP", "XINFO"};

std::string upper(ByteView word) {
  // Longer words are no command; they shall not become a huge verb.
  std::string out(word.substr(0, 64));
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = char(c - 'a' + 'A');
  }
  return printable(out);
}

}  // namespace

const CommandInfo* find_command(std::string_view verb) {
  static const auto& index = *[] {
    auto* map = new std::unordered_map<std::string_view, const CommandInfo*>;
    for (const CommandInfo& info : kCommands) map->emplace(info.name, &info);
    return map;
  }();
  const auto it = index.find(verb);
  return it == index.end() ? nullptr : it->second;
}

std::string verb_of(const std::vector<Bytes>& words, size_t& words_used) {
  words_used = std::min<size_t>(words.size(), 1);
  if (words.empty()) return {};
  std::string verb = upper(words[0]);
  if (words.size() > 1 && std::find(kFamilies.begin(), kFamilies.end(), verb) != kFamilies.end()) {
    verb += ' ' + upper(words[1]);
    words_used = 2;
  }
  return verb;
}

char arg_class(const char* pattern, size_t i) {
  const std::string_view all(pattern);
  const size_t open = all.find('(');
  if (open == std::string_view::npos) return all[std::min(i, all.size() - 1)];
  if (i < open) return all[i];
  const std::string_view cycle = all.substr(open + 1, all.size() - open - 2);
  return cycle[(i - open) % cycle.size()];
}

}  // namespace reprise::wire::redis
