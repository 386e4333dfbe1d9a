#include "recording/recording.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "session/encode.h"

namespace reprise::recording {

namespace {

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

bool is_empty_folder(const std::string& path) {
  DIR* dir = ::opendir(path.c_str());
  if (dir == nullptr) return false;
  bool empty = true;
  while (const dirent* e = ::readdir(dir)) {
    const std::string_view name = e->d_name;
    if (name != "." && name != "..") empty = false;
  }
  ::closedir(dir);
  return empty;
}

}  // namespace

Result<Writer> Writer::create(const std::string& folder, const Manifest& manifest, bool journal) {
  if (exists(folder) && !is_empty_folder(folder)) {
    return fail(folder + " exists and is not an empty folder", "choose another -o",
                ErrorKind::kUsage);
  }
  const bool make = !exists(folder);
  if (make && ::mkdir(folder.c_str(), 0700) != 0) {
    return fail_errno("create " + folder, {}, ErrorKind::kUsage);
  }
  Writer w;
  w.folder_ = folder;
  w.made_folder_ = make;
  REPRISE_ASSIGN(w.sessions_, BlockWriter::create(folder + "/sessions.rps", BlockKind::kSessions));
  if (journal) {
    REPRISE_ASSIGN(BlockWriter j, BlockWriter::create(folder + "/journal.rpj", BlockKind::kEvents));
    w.journal_ = std::make_unique<BlockWriter>(std::move(j));
  }
  REPRISE_TRY(w.write_manifest(manifest));
  return w;
}

Status Writer::add(const session::Event& event) {
  if (journal_ == nullptr) return {};
  scratch_.clear();
  session::encode(event, scratch_);
  return journal_->add(scratch_);
}

Status Writer::add(const session::Session& s) {
  scratch_.clear();
  session::encode(s, scratch_);
  return sessions_.add(scratch_, s.id);
}

Status Writer::flush_events() { return journal_ != nullptr ? journal_->flush() : Status(); }
Status Writer::flush_sessions() { return sessions_.flush(); }

Status Writer::write_manifest(const Manifest& manifest) {
  return replace_file(folder_ + "/manifest.json", manifest.to_json());
}

Status Writer::write_ledger(const Ledger& ledger) {
  return replace_file(folder_ + "/ledger.json", ledger.to_json());
}

Status Writer::finish(const Manifest& manifest, const Ledger& ledger, bool keep_journal) {
  if (journal_ != nullptr) REPRISE_TRY(journal_->finish());
  REPRISE_TRY(sessions_.finish());
  REPRISE_TRY(write_ledger(ledger));
  REPRISE_TRY(write_manifest(manifest));
  if (journal_ != nullptr && !keep_journal) {
    journal_.reset();
    ::unlink((folder_ + "/journal.rpj").c_str());
  }
  return {};
}

void Writer::discard() {
  journal_.reset();
  for (const char* name : {"/journal.rpj", "/sessions.rps", "/manifest.json", "/ledger.json"}) {
    ::unlink((folder_ + name).c_str());
  }
  if (made_folder_) ::rmdir(folder_.c_str());
}

uint64_t Writer::bytes_written() const {
  return sessions_.bytes_written() + (journal_ != nullptr ? journal_->bytes_written() : 0);
}

Result<Reader> Reader::open(const std::string& folder) {
  Reader r;
  r.folder_ = folder;
  struct stat st;
  if (::stat(folder.c_str(), &st) != 0) {
    return fail_errno("open recording " + folder, "give the folder that `reprise record -o` made");
  }
  auto manifest = read_file(folder + "/manifest.json");
  if (!manifest) {
    return fail(folder + " is not a recording, or not a readable one: " + manifest.error().message,
                "give the folder that `reprise record -o` made; only its owner may read it");
  }
  auto parsed = Manifest::from_json(*manifest);
  if (!parsed) return fail(folder + "/manifest.json: " + parsed.error().message);
  r.manifest_ = std::move(*parsed);
  if (auto text = read_file(folder + "/ledger.json")) {
    if (auto ledger = Ledger::from_json(*text)) r.ledger_ = std::move(*ledger);
  }
  r.has_journal_ = exists(folder + "/journal.rpj");
  return r;
}

namespace {

// Decodes the records of every good block; a record that does not decode is damage too.
template <class T, class Decode>
Status walk(const std::string& path, BlockKind kind, std::vector<Damage>& damage, Decode decode,
            const std::function<bool(T&&)>& visit) {
  auto reader = BlockReader::open(path);
  if (!reader) return fail(reader.error());
  Block block;
  while (reader->next(block)) {
    if (block.kind != kind) continue;
    for (ByteView record : block.records()) {
      auto value = decode(record);
      if (!value) {
        damage.push_back({path, block.offset, record.size(), value.error().message});
        continue;
      }
      if (!visit(std::move(*value))) return {};
    }
  }
  damage.insert(damage.end(), reader->damage().begin(), reader->damage().end());
  return {};
}

}  // namespace

Status Reader::for_each(const std::function<bool(session::Session&&)>& visit) {
  damage_.clear();
  return walk<session::Session>(folder_ + "/sessions.rps", BlockKind::kSessions, damage_,
                                session::decode_session, visit);
}

Result<std::optional<session::Session>> Reader::find(uint64_t id) {
  const std::string path = folder_ + "/sessions.rps";
  const std::vector<IndexEntry> index = read_index(path);
  std::optional<session::Session> found;
  for (const IndexEntry& e : index) {
    if (id < e.first_key || id > e.last_key) continue;
    auto reader = BlockReader::open_block(path, e.offset);
    Block block;
    if (!reader || !reader->next(block)) break;  // damaged: the walk below tells where
    for (ByteView record : block.records()) {
      auto session = session::decode_session(record);
      if (session && session->id == id) return std::optional(std::move(*session));
    }
  }
  REPRISE_TRY(for_each([&](session::Session&& s) {
    if (s.id != id) return true;
    found = std::move(s);
    return false;
  }));
  return found;
}

Result<std::vector<session::Session>> Reader::all() {
  std::vector<session::Session> out;
  REPRISE_TRY(for_each([&](session::Session&& s) {
    out.push_back(std::move(s));
    return true;
  }));
  return out;
}

Status Reader::for_each_event(const std::function<bool(session::Event&&)>& visit) {
  damage_.clear();
  return walk<session::Event>(folder_ + "/journal.rpj", BlockKind::kEvents, damage_,
                              session::decode_event, visit);
}

}  // namespace reprise::recording
