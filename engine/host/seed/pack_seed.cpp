#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <memory>

#include "host/seed/seed.h"

namespace gpuplan {
namespace {

[[noreturn]] void fail(archive* writer) {
  const char* reason = writer != nullptr ? archive_error_string(writer) : nullptr;
  throw HostError(HostError::Kind::failed, "cloud-init seed",
                  fmt::format("cannot make the cloud-init seed: {}", reason != nullptr ? reason : "out of memory"));
}

void require(int result, archive* writer) {
  if (result != ARCHIVE_OK) fail(writer);
}

la_ssize_t append(archive* /*writer*/, void* image, const void* bytes, std::size_t count) {
  static_cast<std::string*>(image)->append(static_cast<const char*>(bytes), count);
  return static_cast<la_ssize_t>(count);
}

void add_file(archive* writer, const char* name, const std::string& content) {
  const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(), archive_entry_free);
  if (!entry) fail(nullptr);
  archive_entry_set_pathname(entry.get(), name);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0444);
  archive_entry_set_mtime(entry.get(), 0, 0);
  require(archive_write_header(writer, entry.get()), writer);
  if (archive_write_data(writer, content.data(), content.size()) != static_cast<la_ssize_t>(content.size()))
    fail(writer);
}

}  // namespace

std::string pack_seed(const SeedFiles& files) {
  std::string image;
  const std::unique_ptr<archive, decltype(&archive_write_free)> writer(archive_write_new(), archive_write_free);
  if (!writer) fail(nullptr);
  require(archive_write_set_format_iso9660(writer.get()), writer.get());
  require(archive_write_set_format_option(writer.get(), "iso9660", "volume-id", "cidata"), writer.get());
  // Without it the last block would be padded to libarchive's own block size, not the medium's.
  require(archive_write_set_bytes_in_last_block(writer.get(), 1), writer.get());
  require(archive_write_open(writer.get(), &image, nullptr, append, nullptr), writer.get());
  add_file(writer.get(), "user-data", files.user_data);
  add_file(writer.get(), "meta-data", files.meta_data);
  add_file(writer.get(), "network-config", files.network_config);
  require(archive_write_close(writer.get()), writer.get());
  return image;
}

}  // namespace gpuplan
