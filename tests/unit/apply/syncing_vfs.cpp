#include "syncing_vfs.h"

#include <sqlite3.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <vector>

namespace journal_fixture {

struct SyncingVfs::State {
  sqlite3_vfs vfs{};
  sqlite3_vfs* real = nullptr;
  std::string watched, survived;
  std::atomic<int> syncs{0};
};

namespace {

struct WatchedFile {
  sqlite3_file base;
  sqlite3_file* real;
  std::string* survivor;  // path of the copy; null for a file that is not watched
  std::atomic<int>* syncs;
};

WatchedFile& watched(sqlite3_file* file) { return *reinterpret_cast<WatchedFile*>(file); }
sqlite3_file* real(sqlite3_file* file) { return watched(file).real; }

// Through SQLite's own descriptor: closing another one of this process would drop its locks.
void keep(WatchedFile& file) {
  sqlite3_int64 size = 0;
  file.real->pMethods->xFileSize(file.real, &size);
  std::vector<char> content(static_cast<std::size_t>(size));
  if (size > 0) file.real->pMethods->xRead(file.real, content.data(), static_cast<int>(size), 0);
  std::ofstream(*file.survivor, std::ios::binary | std::ios::trunc)
      .write(content.data(), static_cast<std::streamsize>(content.size()));
}

int close_file(sqlite3_file* file) {
  delete watched(file).survivor;
  return real(file)->pMethods->xClose(real(file));
}

int sync_file(sqlite3_file* file, int flags) {
  const int code = real(file)->pMethods->xSync(real(file), flags);
  if (code == SQLITE_OK && watched(file).survivor) {
    keep(watched(file));
    ++*watched(file).syncs;
  }
  return code;
}

const sqlite3_io_methods& methods() {
  static const sqlite3_io_methods table = [] {
    sqlite3_io_methods m{};
    m.iVersion = 2;
    m.xClose = close_file;
    m.xSync = sync_file;
    m.xRead = [](sqlite3_file* f, void* p, int n, sqlite3_int64 at) {
      return real(f)->pMethods->xRead(real(f), p, n, at);
    };
    m.xWrite = [](sqlite3_file* f, const void* p, int n, sqlite3_int64 at) {
      return real(f)->pMethods->xWrite(real(f), p, n, at);
    };
    m.xTruncate = [](sqlite3_file* f, sqlite3_int64 n) { return real(f)->pMethods->xTruncate(real(f), n); };
    m.xFileSize = [](sqlite3_file* f, sqlite3_int64* n) { return real(f)->pMethods->xFileSize(real(f), n); };
    m.xLock = [](sqlite3_file* f, int level) { return real(f)->pMethods->xLock(real(f), level); };
    m.xUnlock = [](sqlite3_file* f, int level) { return real(f)->pMethods->xUnlock(real(f), level); };
    m.xCheckReservedLock = [](sqlite3_file* f, int* out) {
      return real(f)->pMethods->xCheckReservedLock(real(f), out);
    };
    m.xFileControl = [](sqlite3_file* f, int op, void* arg) {
      return real(f)->pMethods->xFileControl(real(f), op, arg);
    };
    m.xSectorSize = [](sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); };
    m.xDeviceCharacteristics = [](sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); };
    m.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
      return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
    };
    m.xShmLock = [](sqlite3_file* f, int at, int n, int flags) {
      return real(f)->pMethods->xShmLock(real(f), at, n, flags);
    };
    m.xShmBarrier = [](sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); };
    m.xShmUnmap = [](sqlite3_file* f, int remove) { return real(f)->pMethods->xShmUnmap(real(f), remove); };
    return m;
  }();
  return table;
}

// The one that is registered: SQLite's callbacks carry no other context.
sqlite3_vfs* real_vfs = nullptr;
std::string watched_directory, survived_directory;
std::atomic<int>* sync_counter = nullptr;

std::string* survivor_of(const char* name) {
  if (!name) return nullptr;
  const std::filesystem::path path(name);
  if (path.parent_path() != watched_directory) return nullptr;
  return new std::string(survived_directory + "/" + path.filename().string());
}

int open_file(sqlite3_vfs* /*vfs*/, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  auto* const self = reinterpret_cast<WatchedFile*>(file);
  self->real = reinterpret_cast<sqlite3_file*>(self + 1);
  self->survivor = nullptr;
  self->syncs = sync_counter;
  const int code = real_vfs->xOpen(real_vfs, name, self->real, flags, out_flags);
  self->base.pMethods = code == SQLITE_OK ? &methods() : nullptr;
  if (code == SQLITE_OK) self->survivor = survivor_of(name);
  return code;
}

int delete_file(sqlite3_vfs* /*vfs*/, const char* name, int sync_directory) {
  if (const std::unique_ptr<std::string> survivor{survivor_of(name)}) std::filesystem::remove(*survivor);
  return real_vfs->xDelete(real_vfs, name, sync_directory);
}

}  // namespace

SyncingVfs::SyncingVfs(const std::string& watched, const std::string& survived) : state_(std::make_unique<State>()) {
  state_->real = real_vfs = sqlite3_vfs_find(nullptr);
  watched_directory = watched;
  survived_directory = survived;
  sync_counter = &state_->syncs;
  state_->vfs = *real_vfs;
  state_->vfs.zName = "syncing";
  state_->vfs.szOsFile = static_cast<int>(sizeof(WatchedFile)) + real_vfs->szOsFile;
  state_->vfs.xOpen = open_file;
  state_->vfs.xDelete = delete_file;
  sqlite3_vfs_register(&state_->vfs, 1);
}

SyncingVfs::~SyncingVfs() {
  sqlite3_vfs_unregister(&state_->vfs);
  sqlite3_vfs_register(state_->real, 1);
}

int SyncingVfs::syncs() const { return state_->syncs.load(); }

}  // namespace journal_fixture
