#include "recording/catalogue.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "recording/recording.h"
#include "wire/registry.h"

namespace reprise::recording {

namespace {

constexpr size_t kTextOfRequest = 2000;  // bytes of a request that are indexed
constexpr const char* kSchema =
    "CREATE TABLE meta (version INTEGER, size INTEGER, modified INTEGER);"
    "CREATE TABLE session (id INTEGER PRIMARY KEY, at_ns INTEGER, duration_ns INTEGER, protocol TEXT,"
    "  label TEXT, answer TEXT, calls INTEGER, incomplete INTEGER);"
    "CREATE VIRTUAL TABLE text USING fts5(label, answer, request, calls, content='');";
constexpr int64_t kVersion = 1;

// The words of a user, as an FTS5 query: quoted, so that none is an operator, each a prefix.
std::string query_of(const std::string& words) {
  std::string out, word;
  bool quoted = false;
  const auto end = [&](bool prefix) {
    if (!word.empty()) out += (out.empty() ? "\"" : " \"") + word + (prefix ? "\"*" : "\"");
    word.clear();
  };
  for (char c : words) {
    if (c == '"') {
      end(!quoted);
      quoted = !quoted;
    } else if (c == ' ' && !quoted) {
      end(true);
    } else {
      word += c;
    }
  }
  end(!quoted);
  return out;
}

class Statement {
 public:
  Statement(sqlite3* db, const char* sql) { sqlite3_prepare_v2(db, sql, -1, &s_, nullptr); }
  ~Statement() { sqlite3_finalize(s_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  void bind(int i, int64_t v) { sqlite3_bind_int64(s_, i, v); }
  void bind(int i, std::string_view v) {
    sqlite3_bind_text(s_, i, v.data(), static_cast<int>(v.size()), SQLITE_TRANSIENT);
  }
  bool row() { return sqlite3_step(s_) == SQLITE_ROW; }
  void run() {
    sqlite3_step(s_);
    sqlite3_reset(s_);
  }
  int64_t number(int i) const { return sqlite3_column_int64(s_, i); }
  std::string text(int i) const {
    const auto* p = reinterpret_cast<const char*>(sqlite3_column_text(s_, i));
    return p != nullptr ? std::string(p, static_cast<size_t>(sqlite3_column_bytes(s_, i))) : std::string();
  }

 private:
  sqlite3_stmt* s_ = nullptr;
};

struct Stamp {
  int64_t size = 0;
  int64_t modified = 0;
  bool operator==(const Stamp&) const = default;
};

Stamp stamp_of(const std::string& path) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) return {};
  return {st.st_size, int64_t(st.st_mtim.tv_sec) * 1000000000 + st.st_mtim.tv_nsec};
}

}  // namespace

struct Catalogue::State {
  sqlite3* db = nullptr;
  ~State() { sqlite3_close(db); }

  bool fresh(const Stamp& stamp) {
    Statement s(db, "SELECT version, size, modified FROM meta");
    return s.row() && s.number(0) == kVersion && Stamp{s.number(1), s.number(2)} == stamp;
  }

  Status build(const std::string& folder, const Stamp& stamp) {
    REPRISE_ASSIGN(Reader reader, Reader::open(folder));
    sqlite3_exec(db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN", nullptr, nullptr, nullptr);
    if (sqlite3_exec(db, kSchema, nullptr, nullptr, nullptr) != SQLITE_OK) {
      return fail(std::string("catalogue: ") + sqlite3_errmsg(db));
    }
    {
      Statement row(db, "INSERT OR REPLACE INTO session VALUES (?,?,?,?,?,?,?,?)");
      Statement text(db, "INSERT INTO text (rowid, label, answer, request, calls) VALUES (?,?,?,?,?)");
      REPRISE_TRY(reader.for_each([&](session::Session&& s) {
        if (s.kind == session::SessionKind::kInbound) add(s, row, text);
        return true;
      }));
      Statement meta(db, "INSERT INTO meta VALUES (?,?,?)");
      meta.bind(1, kVersion), meta.bind(2, stamp.size), meta.bind(3, stamp.modified);
      meta.run();
    }
    if (sqlite3_exec(db, "COMMIT", nullptr, nullptr, nullptr) != SQLITE_OK) {
      return fail(std::string("catalogue: ") + sqlite3_errmsg(db));
    }
    return {};
  }

  static void add(const session::Session& s, Statement& row, Statement& text) {
    const session::Call& in = s.inbound;
    const std::string answer =
        in.answered ? wire::entry(in.protocol).describe_answer(in.request, in.operation, in.answer).label : "";
    const auto id = static_cast<int64_t>(s.id);
    row.bind(1, id), row.bind(2, in.request_ns);
    row.bind(3, in.answer_end_ns > 0 ? in.answer_end_ns - in.request_ns : 0);
    row.bind(4, std::string_view(wire::name(in.protocol))), row.bind(5, in.operation.label);
    row.bind(6, answer), row.bind(7, static_cast<int64_t>(s.calls.size())), row.bind(8, int64_t(s.incomplete));
    row.run();
    std::string calls;
    for (const session::Call& c : s.calls) {
      calls += std::string(wire::name(c.protocol)) + " " + c.operation.label + "\n";
    }
    text.bind(1, id), text.bind(2, in.operation.label), text.bind(3, answer);
    text.bind(4, printable(in.request, kTextOfRequest)), text.bind(5, calls);
    text.run();
  }
};

Catalogue::Catalogue(std::unique_ptr<State> state) : state_(std::move(state)) {}
Catalogue::Catalogue(Catalogue&&) noexcept = default;
Catalogue::~Catalogue() = default;

Result<Catalogue> Catalogue::open(const std::string& folder) {
  const std::string path = folder + "/catalogue.sqlite";
  const Stamp stamp = stamp_of(folder + "/sessions.rps");
  for (const bool in_memory : {false, true}) {
    auto state = std::make_unique<State>();
    const mode_t before = ::umask(0077);
    const int opened = sqlite3_open(in_memory ? ":memory:" : path.c_str(), &state->db);
    ::umask(before);
    if (opened == SQLITE_OK && !in_memory && state->fresh(stamp)) return Catalogue(std::move(state));
    if (!in_memory) {
      // Missing, old or damaged: begin again.
      state = std::make_unique<State>();
      ::remove(path.c_str());
      const mode_t again = ::umask(0077);
      sqlite3_open(path.c_str(), &state->db);
      ::umask(again);
    }
    auto built = state->build(folder, stamp);
    if (built) return Catalogue(std::move(state));
    if (in_memory) return fail(built.error());
  }
  return fail("catalogue: cannot be built");
}

uint64_t Catalogue::sessions() const {
  Statement s(state_->db, "SELECT count(*) FROM session");
  return s.row() ? static_cast<uint64_t>(s.number(0)) : 0;
}

Result<std::vector<CatalogueRow>> Catalogue::find(const std::string& words, size_t most) const {
  const std::string query = query_of(words);
  Statement s(state_->db,
              query.empty() ? "SELECT id, at_ns, duration_ns, protocol, label, answer, calls, incomplete FROM "
                              "session ORDER BY id LIMIT ?2"
                            : "SELECT id, at_ns, duration_ns, protocol, label, answer, calls, incomplete FROM "
                              "session WHERE id IN (SELECT rowid FROM text WHERE text MATCH ?1) ORDER BY id LIMIT ?2");
  if (!query.empty()) s.bind(1, query);
  s.bind(2, static_cast<int64_t>(most));
  std::vector<CatalogueRow> rows;
  while (s.row()) {
    rows.push_back({static_cast<uint64_t>(s.number(0)), s.number(1), s.number(2), s.text(3), s.text(4), s.text(5),
                    static_cast<uint64_t>(s.number(6)), s.number(7) != 0});
  }
  if (sqlite3_errcode(state_->db) != SQLITE_DONE && sqlite3_errcode(state_->db) != SQLITE_OK) {
    return fail(std::string("search: ") + sqlite3_errmsg(state_->db));
  }
  return rows;
}

}  // namespace reprise::recording
