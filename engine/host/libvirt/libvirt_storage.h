// Storage pools and volumes of libvirt. See Hypervisor in host/ports.h for what each function does.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "host/download/kept_downloads.h"
#include "host/libvirt/libvirt_connection.h"
#include "host/ports.h"
#include "host/xml/storage_xml.h"

namespace gpuplan {

class VolumeSource;

// A volume that is being filled has a second, tiny one beside it, "NAME.incomplete", until it is whole:
// after a crash in between, queries do not show it and filling it starts again. Thread-safe.
class LibvirtStorage {
 public:
  LibvirtStorage(LibvirtConnection& connection, std::string download_directory)
      : connection_(connection), downloads_(std::move(download_directory)) {}

  std::optional<PoolState> pool(const std::string& name);
  void define_pool(const std::string& name, const std::string& directory);
  void remove_pool(const std::string& name);

  // Throws not_found for a pool that does not exist, refused for one that is not active.
  std::vector<VolumeState> volumes(const std::string& pool);
  std::optional<VolumeState> volume(const std::string& pool, const std::string& name);
  void create(const std::string& pool, const std::string& name, std::int64_t capacity_bytes,
              const std::string& backing_path);
  void upload(const std::string& pool, const std::string& name, const std::string& content);
  void fetch(const std::string& pool, const std::string& name, const ImageSource& source);
  void delete_kept_downloads() { downloads_.clear(); }
  void grow(const std::string& pool, const std::string& name, std::int64_t capacity_bytes);
  void remove(const std::string& pool, const std::string& name);

 private:
  PoolHandle look_up_pool(const std::string& name);  // empty if there is none
  PoolHandle require_pool(const std::string& name);
  // Replaces the volume by what `source` gives, crash-safe. Throws timed_out at the deadline.
  void fill(virStoragePoolPtr pool, const VolumeDefinition& definition, VolumeSource& source,
            std::chrono::steady_clock::time_point deadline);
  std::string format_of(const std::string& path);

  LibvirtConnection& connection_;
  const KeptDownloads downloads_;
};

}  // namespace gpuplan
