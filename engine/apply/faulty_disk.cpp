#include "apply/faulty_disk.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace gpuplan {

struct FaultyDisk::State {
  struct Pending {
    sqlite3_int64 at = 0;  // of a truncation: the new size
    std::string bytes;
    bool truncates = false;
  };
  // One file as this process sees it.
  struct Image {
    std::string content;
    std::vector<Pending> pending;  // what the real file does not have yet
  };

  sqlite3_vfs layer{};
  sqlite3_vfs* real = nullptr;
  std::string name;
  DiskHook hook;
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<Image>> images;  // by path
};

namespace {

using State = FaultyDisk::State;
using Pending = State::Pending;
using Image = State::Image;

// SQLite gives the memory; the real layer's file lies behind it.
struct File {
  sqlite3_file base;
  State* disk;
  std::shared_ptr<Image>* image;  // null for a temporary file, which no crash matters to
};

File& file_of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }
sqlite3_file* real(sqlite3_file* file) { return reinterpret_cast<sqlite3_file*>(&file_of(file) + 1); }
State& state_of(sqlite3_vfs* layer) { return *static_cast<State*>(layer->pAppData); }

// SQLite's code for what the disk answers; SQLITE_OK if it does what it is asked.
int code_for(const File& file, int io_error) {
  switch (file.disk->hook()) {
    case DiskAnswer::full: return SQLITE_FULL;
    case DiskAnswer::io_error: return io_error;
    case DiskAnswer::read_only: return SQLITE_READONLY;
    case DiskAnswer::done: break;
  }
  return SQLITE_OK;
}

// With the mutex held.
int pass_on(sqlite3_file* file) {
  std::vector<Pending>& pending = (*file_of(file).image)->pending;
  for (const Pending& one : pending) {
    const int code = one.truncates
                         ? real(file)->pMethods->xTruncate(real(file), one.at)
                         : real(file)->pMethods->xWrite(real(file), one.bytes.data(), static_cast<int>(one.bytes.size()), one.at);
    if (code != SQLITE_OK) return code;
  }
  pending.clear();
  return SQLITE_OK;
}

int load(sqlite3_file* file, Image& image) {
  sqlite3_int64 size = 0;
  const int code = real(file)->pMethods->xFileSize(real(file), &size);
  if (code != SQLITE_OK || size == 0) return code;
  image.content.resize(static_cast<std::size_t>(size));
  return real(file)->pMethods->xRead(real(file), image.content.data(), static_cast<int>(size), 0);
}

int close_file(sqlite3_file* file) {
  File& self = file_of(file);
  if (self.image != nullptr) {
    const std::lock_guard<std::mutex> lock(self.disk->mutex);
    pass_on(file);  // fails for a file that is open for reading only; who wrote it has it open, too
    delete self.image;
  }
  return real(file)->pMethods->xClose(real(file));
}

int read_file(sqlite3_file* file, void* out, int size, sqlite3_int64 at) {
  File& self = file_of(file);
  if (self.image == nullptr) return real(file)->pMethods->xRead(real(file), out, size, at);
  const std::lock_guard<std::mutex> lock(self.disk->mutex);
  const std::string& content = (*self.image)->content;
  const auto from = std::min(static_cast<std::size_t>(at), content.size());
  const auto found = std::min(static_cast<std::size_t>(size), content.size() - from);
  std::memcpy(out, content.data() + from, found);
  std::memset(static_cast<char*>(out) + found, 0, static_cast<std::size_t>(size) - found);
  return found == static_cast<std::size_t>(size) ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int write_file(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
  File& self = file_of(file);
  if (self.image == nullptr) return real(file)->pMethods->xWrite(real(file), data, size, at);
  const int code = code_for(self, SQLITE_IOERR_WRITE);
  if (code != SQLITE_OK) return code;
  const std::lock_guard<std::mutex> lock(self.disk->mutex);
  Image& image = **self.image;
  const std::string bytes(static_cast<const char*>(data), static_cast<std::size_t>(size));
  const std::size_t from = static_cast<std::size_t>(at);
  if (image.content.size() < from + bytes.size()) image.content.resize(from + bytes.size());
  image.content.replace(from, bytes.size(), bytes);
  image.pending.push_back({at, bytes, false});
  return SQLITE_OK;
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  File& self = file_of(file);
  if (self.image == nullptr) return real(file)->pMethods->xTruncate(real(file), size);
  const int code = code_for(self, SQLITE_IOERR_TRUNCATE);
  if (code != SQLITE_OK) return code;
  const std::lock_guard<std::mutex> lock(self.disk->mutex);
  (*self.image)->content.resize(static_cast<std::size_t>(size));
  (*self.image)->pending.push_back({size, {}, true});
  return SQLITE_OK;
}

int sync_file(sqlite3_file* file, int flags) {
  File& self = file_of(file);
  if (self.image == nullptr) return real(file)->pMethods->xSync(real(file), flags);
  const int code = code_for(self, SQLITE_IOERR_FSYNC);
  if (code != SQLITE_OK) return code;
  const std::lock_guard<std::mutex> lock(self.disk->mutex);
  const int passed = pass_on(file);
  return passed == SQLITE_OK ? real(file)->pMethods->xSync(real(file), flags) : passed;
}

int size_of_file(sqlite3_file* file, sqlite3_int64* size) {
  File& self = file_of(file);
  if (self.image == nullptr) return real(file)->pMethods->xFileSize(real(file), size);
  const std::lock_guard<std::mutex> lock(self.disk->mutex);
  *size = static_cast<sqlite3_int64>((*self.image)->content.size());
  return SQLITE_OK;
}

const sqlite3_io_methods& methods() {
  static const sqlite3_io_methods table = [] {
    sqlite3_io_methods m{};
    m.iVersion = 2;  // no memory-mapped reading, which would go past the image
    m.xClose = close_file;
    m.xRead = read_file;
    m.xWrite = write_file;
    m.xTruncate = truncate_file;
    m.xSync = sync_file;
    m.xFileSize = size_of_file;
    m.xLock = [](sqlite3_file* f, int level) { return real(f)->pMethods->xLock(real(f), level); };
    m.xUnlock = [](sqlite3_file* f, int level) { return real(f)->pMethods->xUnlock(real(f), level); };
    m.xCheckReservedLock = [](sqlite3_file* f, int* out) { return real(f)->pMethods->xCheckReservedLock(real(f), out); };
    m.xFileControl = [](sqlite3_file* f, int op, void* arg) { return real(f)->pMethods->xFileControl(real(f), op, arg); };
    m.xSectorSize = [](sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); };
    m.xDeviceCharacteristics = [](sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); };
    m.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
      return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
    };
    m.xShmLock = [](sqlite3_file* f, int at, int n, int flags) { return real(f)->pMethods->xShmLock(real(f), at, n, flags); };
    m.xShmBarrier = [](sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); };
    m.xShmUnmap = [](sqlite3_file* f, int remove) { return real(f)->pMethods->xShmUnmap(real(f), remove); };
    return m;
  }();
  return table;
}

int open_file(sqlite3_vfs* layer, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  State& disk = state_of(layer);
  File& self = file_of(file);
  self.base.pMethods = nullptr;
  self.disk = &disk;
  self.image = nullptr;
  const int code = disk.real->xOpen(disk.real, name, real(file), flags, out_flags);
  if (code != SQLITE_OK) return code;
  self.base.pMethods = &methods();
  if (name == nullptr || (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) == 0) return SQLITE_OK;
  const std::lock_guard<std::mutex> lock(disk.mutex);
  std::shared_ptr<Image> image = disk.images[name].lock();
  int loaded = SQLITE_OK;
  if (!image) {
    image = std::make_shared<Image>();
    loaded = load(file, *image);
    disk.images[name] = image;
  }
  self.image = new std::shared_ptr<Image>(std::move(image));
  return loaded;  // SQLite closes a file with methods, also one that it could not open
}

int delete_file(sqlite3_vfs* layer, const char* name, int sync_directory) {
  State& disk = state_of(layer);
  const std::lock_guard<std::mutex> lock(disk.mutex);
  disk.images.erase(name);
  return disk.real->xDelete(disk.real, name, sync_directory);
}

// Whether a log has content decides about its use.
int look_at_file(sqlite3_vfs* layer, const char* name, int flags, int* out) {
  State& disk = state_of(layer);
  const int code = disk.real->xAccess(disk.real, name, flags, out);
  const std::lock_guard<std::mutex> lock(disk.mutex);
  const auto found = disk.images.find(name);
  if (code != SQLITE_OK || flags != SQLITE_ACCESS_EXISTS || found == disk.images.end()) return code;
  if (const auto image = found->second.lock()) *out = image->content.empty() ? 0 : 1;
  return code;
}

}  // namespace

FaultyDisk::FaultyDisk(DiskHook hook) : state_(std::make_unique<State>()) {
  State& disk = *state_;
  disk.real = sqlite3_vfs_find(nullptr);
  disk.hook = std::move(hook);
  disk.name = fmt::format("faulty-disk-{}", static_cast<const void*>(state_.get()));
  disk.layer = *disk.real;
  disk.layer.zName = disk.name.c_str();
  disk.layer.pAppData = state_.get();
  disk.layer.szOsFile = static_cast<int>(sizeof(File)) + disk.real->szOsFile;
  disk.layer.xOpen = open_file;
  disk.layer.xDelete = delete_file;
  disk.layer.xAccess = look_at_file;
  sqlite3_vfs_register(&disk.layer, 0);
}

FaultyDisk::~FaultyDisk() { sqlite3_vfs_unregister(&state_->layer); }

const char* FaultyDisk::name() const { return state_->name.c_str(); }

}  // namespace gpuplan
