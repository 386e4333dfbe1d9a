// How the root is put together, in a tmpfs that only this mount namespace sees:
//
//   <base>/layers/N/{u,w}   upper and work folder of each overlay
//   <base>/root             the new root: an overlay of /, then of every other real mount at its
//                           place; fresh /proc and /dev; /sys read-only
//
// A kernel refuses an overlay of a tree with locked submounts, and in a user namespace every mount
// is locked. There the root is composed: folders that have mounts below are made anew, their other
// children each get an overlay. An ordinary user cannot copy up a folder that belongs to root, so
// the places that programs write to (/tmp, /run, ...) get an overlay with an upper folder of their
// own, which belongs to the user from the start.
#include "sandbox/root.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/file.h"

namespace reprise::sandbox {
namespace {

bool is_under(std::string_view path, std::string_view folder) {
  if (folder == "/") return true;
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

bool is_special(std::string_view path) {
  for (const char* folder : {"/proc", "/sys", "/dev"})
    if (is_under(path, folder)) return true;
  return false;
}

bool is_folder(const std::string& path) {
  struct stat s;
  return lstat(path.c_str(), &s) == 0 && S_ISDIR(s.st_mode);
}

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

class Builder {
 public:
  Builder(const StageConfig& config, bool unprivileged, std::vector<std::string>& notes)
      : config_(config), unprivileged_(unprivileged), notes_(notes) {}

  Result<bool> build() {
    if (mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      return fail_errno("stage: private mounts");
    mounts_ = parse_mountinfo(read_all("/proc/self/mountinfo"));
    REPRISE_TRY(choose_base());
    REPRISE_TRY(mount_tree());
    mount_proc();
    mount_sys();
    REPRISE_TRY(mount_dev());
    for (const std::string& path : config_.keep_writable) bind(path, true);
    for (const std::string& path : config_.hide) hide(path);
    REPRISE_TRY(pivot());
    return private_;
  }

 private:
  std::string at(const std::string& path) const { return root_ + (path == "/" ? "" : path); }
  bool has_mounts_below(const std::string& path) const {
    return std::any_of(mounts_.begin(), mounts_.end(),
                       [&](const Mount& m) { return m.path != path && is_under(m.path, path); });
  }

  // An existing folder on which nothing is mounted and nothing below.
  Status choose_base() {
    for (const char* folder :
         {"/mnt", "/media", "/srv", "/opt", "/boot", "/home", "/run", "/tmp"}) {
      if (!is_folder(folder) || std::any_of(mounts_.begin(), mounts_.end(), [&](const Mount& m) {
            return is_under(m.path, folder);
          }))
        continue;
      std::string options = "mode=0755";
      if (config_.overlay_bytes > 0) options += fmt::format(",size={}", config_.overlay_bytes);
      if (mount("reprise", folder, "tmpfs", MS_NOSUID, options.c_str()) != 0) continue;
      base_ = folder;
      root_ = base_ + "/root";
      mkdir(root_.c_str(), 0755), mkdir((base_ + "/layers").c_str(), 0755);
      return {};
    }
    return fail_errno("stage: no folder to build the root in");
  }

  Status mount_tree() {
    if (!config_.overlay) return bind_everything("not asked for");
    // In a user namespace a whole overlay of / would leave /tmp and /run unwritable.
    if (!unprivileged_ && overlay("/", root_)) {
      for (const Mount& m : mounts_)
        if (m.path != "/" && !is_special(m.path)) overlay_mount(m.path);
      return {};
    }
    const std::string why = std::strerror(errno);
    if (mount("reprise", root_.c_str(), "tmpfs", 0, "mode=0755") != 0)
      return fail_errno("stage: tmpfs for the root");
    composed_ = 0;
    compose("/");
    if (composed_ == 0) {
      umount2(root_.c_str(), MNT_DETACH);
      return bind_everything(why);
    }
    for (const char* path :
         {"/tmp", "/run", "/var/tmp", "/var/log", "/var/lib", "/var/cache", "/run/lock", "/home"}) {
      struct stat s;
      if (is_folder(path) && lstat(at(path).c_str(), &s) == 0 && s.st_uid != geteuid() &&
          !has_mounts_below(path))
        overlay(path, at(path));
    }
    return {};
  }

  Status bind_everything(const std::string& why) {
    private_ = false;
    notes_.push_back("no private file system (" + why + "): what the subject writes is real");
    if (mount("/", root_.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
      return fail_errno("stage: bind /");
    return {};
  }

  // `lower` as it is now, seen at `target`; false with errno if the kernel refuses.
  bool overlay(const std::string& lower, const std::string& target) {
    const Fd folder(::open(lower.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat s;
    if (!folder || fstat(folder.get(), &s) != 0) return false;
    const std::string layer = fmt::format("{}/layers/{}", base_, layers_++);
    const std::string upper = layer + "/u", work = layer + "/w";
    mkdir(layer.c_str(), 0755), mkdir(upper.c_str(), 0755), mkdir(work.c_str(), 0755);
    // The merged folder has the attributes of its upper one.
    if (chown(upper.c_str(), s.st_uid, s.st_gid) != 0) errno = 0;  // unmapped: stays the caller's
    chmod(upper.c_str(), s.st_mode & 07777);
    // By descriptor: a path may hold the ':' and ',' that separate options.
    const std::string options =
        fmt::format("lowerdir=/proc/self/fd/{},upperdir={},workdir={}{}", folder.get(), upper, work,
                    unprivileged_ ? ",userxattr" : "");
    return mount("reprise", target.c_str(), "overlay", 0, options.c_str()) == 0;
  }

  void overlay_mount(const std::string& path) {
    const std::string target = at(path);
    if (!is_folder(path)) return copy_file(path, target);  // containers mount single files
    if (overlay(path, target)) return;
    const int error = errno;
    if (error == ENOENT || !is_folder(target)) return;  // hidden by a later mount
    bind(path, false);
    notes_.push_back(fmt::format("{} is read-only inside: {}", path, std::strerror(error)));
  }

  void copy_file(const std::string& from, const std::string& to) {
    struct stat s;
    constexpr off_t kLargest = 16 << 20;
    if (stat(from.c_str(), &s) != 0 || !S_ISREG(s.st_mode)) return;
    if (s.st_size > kLargest) {
      const Fd made(::open(to.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
      mount(from.c_str(), to.c_str(), nullptr, MS_BIND, nullptr);
      return;
    }
    const std::string content = read_all(from);
    std::ofstream(to, std::ios::binary | std::ios::trunc) << content;
    chmod(to.c_str(), s.st_mode & 07777);
  }

  // Rebuilds one folder of the root from overlays of its children.
  void compose(const std::string& folder) {
    DIR* dir = opendir(folder.c_str());
    if (dir == nullptr) return;
    while (const dirent* entry = readdir(dir)) {
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      const std::string path = folder == "/" ? "/" + name : folder + "/" + name;
      if (path == base_) continue;
      const std::string target = at(path);
      struct stat s;
      if (lstat(path.c_str(), &s) != 0) continue;
      if (S_ISLNK(s.st_mode)) {
        char link[PATH_MAX];
        const ssize_t n = readlink(path.c_str(), link, sizeof link - 1);
        if (n > 0) link[n] = 0, (void)!symlink(link, target.c_str());
      } else if (S_ISREG(s.st_mode)) {
        copy_file(path, target);
      } else if (S_ISDIR(s.st_mode)) {
        mkdir(target.c_str(), s.st_mode & 07777);
        if (is_special(path)) continue;
        if (has_mounts_below(path)) {
          compose(path);
        } else if (overlay(path, target)) {
          ++composed_;
        } else {
          bind(path, false);
          notes_.push_back(fmt::format("{} is read-only inside: no overlay of it", path));
        }
      }
    }
    closedir(dir);
  }

  // The real path, at its own place. Read-only unless it is to be written.
  void bind(const std::string& path, bool writable) {
    const std::string target = at(path);
    make_parents(target);
    if (is_folder(path)) {
      mkdir(target.c_str(), 0755);
    } else {
      const Fd made(::open(target.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    }
    if (mount(path.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
      notes_.push_back(
          fmt::format("{} is not the real one inside: {}", path, std::strerror(errno)));
    else if (!writable)
      read_only(target);
  }

  bool read_only(const std::string& path) {
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    return syscall(SYS_mount_setattr, AT_FDCWD, path.c_str(), AT_RECURSIVE, &attributes,
                   sizeof attributes) == 0;
  }

  void hide(const std::string& path) {
    const std::string target = at(path);
    struct stat s;
    if (stat(target.c_str(), &s) != 0) return;
    const bool done = S_ISDIR(s.st_mode)
                          ? mount("reprise", target.c_str(), "tmpfs", 0, "mode=0755") == 0
                          : mount("/dev/null", target.c_str(), nullptr, MS_BIND, nullptr) == 0;
    if (!done) notes_.push_back(fmt::format("{} is not hidden: {}", path, std::strerror(errno)));
  }

  void mount_proc() {
    const std::string target = at("/proc");
    mkdir(target.c_str(), 0555);
    constexpr unsigned long kSafe = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount("proc", target.c_str(), "proc", kSafe, nullptr) != 0) {
      notes_.push_back(
          fmt::format("/proc shows the machine's processes: {}", std::strerror(errno)));
      mount("/proc", target.c_str(), nullptr, MS_BIND | MS_REC, nullptr);
    }
    for (const char* part : {"/sys", "/sysrq-trigger"}) {
      const std::string path = target + part;
      if (mount(path.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) == 0) read_only(path);
    }
  }

  void mount_sys() {
    const std::string target = at("/sys");
    mkdir(target.c_str(), 0555);
    if (mount("/sys", target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0 &&
        !read_only(target))
      notes_.push_back("/sys is writable inside");
  }

  // Fresh, so that /dev/shm, /dev/log and terminals are the lane's own.
  Status mount_dev() {
    const std::string dev = at("/dev");
    mkdir(dev.c_str(), 0755);
    if (mount("reprise", dev.c_str(), "tmpfs", MS_NOSUID, "mode=0755") != 0)
      return fail_errno("stage: /dev");
    for (const char* name : {"null", "zero", "full", "random", "urandom", "tty"}) {
      const std::string path = dev + "/" + name, from = std::string("/dev/") + name;
      {
        const Fd made(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
      }
      if (mount(from.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0 &&
          std::string_view(name) != "tty")
        return fail_errno("stage: " + from);
    }
    for (const auto& [name, to] : {std::pair("fd", "/proc/self/fd"),
                                   {"stdin", "/proc/self/fd/0"},
                                   {"stdout", "/proc/self/fd/1"},
                                   {"stderr", "/proc/self/fd/2"},
                                   {"ptmx", "pts/ptmx"}})
      (void)!symlink(to, (dev + "/" + name).c_str());
    for (const char* name : {"/pts", "/shm", "/mqueue", "/reprise"})
      mkdir((dev + name).c_str(), 0755);
    constexpr unsigned long kSafe = MS_NOSUID | MS_NOEXEC;
    mount("reprise", (dev + "/pts").c_str(), "devpts", kSafe,
          "newinstance,ptmxmode=0666,mode=0620");
    mount("reprise", (dev + "/mqueue").c_str(), "mqueue", kSafe | MS_NODEV, nullptr);
    if (mount("reprise", (dev + "/shm").c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") != 0)
      chmod((dev + "/shm").c_str(), 01777);
    return {};
  }

  Status pivot() {
    // The old root lands on top of the new one and is taken away from there.
    if (chdir(root_.c_str()) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 ||
        umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
      return fail_errno("stage: enter the new root");
    return {};
  }

  const StageConfig& config_;
  const bool unprivileged_;
  std::vector<std::string>& notes_;
  std::vector<Mount> mounts_;
  std::string base_, root_;
  bool private_ = true;
  int layers_ = 0, composed_ = 0;
};

}  // namespace

std::vector<Mount> parse_mountinfo(const std::string& text) {
  std::vector<Mount> out;
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    // id parent major:minor root mountpoint options [optional...] - type source superoptions
    std::istringstream row(line);
    std::string skip, raw, type;
    row >> skip >> skip >> skip >> skip >> raw;
    while (row >> skip && skip != "-") {
    }
    row >> type;
    std::string path;
    for (size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] == '\\' && i + 3 < raw.size()) {
        path +=
            static_cast<char>((raw[i + 1] - '0') * 64 + (raw[i + 2] - '0') * 8 + raw[i + 3] - '0');
        i += 3;
      } else {
        path += raw[i];
      }
    }
    if (!path.empty()) out.push_back({path, type});
  }
  return out;
}

void make_parents(const std::string& path) {
  for (size_t i = path.find('/', 1); i != path.npos; i = path.find('/', i + 1))
    mkdir(path.substr(0, i).c_str(), 0755);
}

Result<bool> enter_new_root(const StageConfig& config, bool unprivileged,
                            std::vector<std::string>& notes) {
  return Builder(config, unprivileged, notes).build();
}

}  // namespace reprise::sandbox
