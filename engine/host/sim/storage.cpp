#include <fmt/format.h>

#include <algorithm>

#include "digest/digest.h"
#include "host/sim/errors.h"
#include "host/sim/hypervisor.h"

namespace gpuplan::sim {
namespace {

constexpr std::int64_t gib = 1LL << 30;
constexpr std::int64_t empty_qcow2 = 200'704;            // bytes that a new overlay takes
constexpr std::int64_t image_capacity = 3'758'096'384;   // the Ubuntu 24.04 cloud image
constexpr std::int64_t image_allocation = 629'145'600;

VolumeState state_of(const Model& model, const Pool& pool, const Volume& volume) {
  return {volume.name, model.volume_path(pool, volume), volume.capacity, volume.backing, volume.format};
}

Pool& require_pool(Model& model, const std::string& operation, const std::string& name) {
  require_libvirt(model);
  Pool* pool = model.pool(name);
  if (pool == nullptr) {
    throw libvirt_error(HostError::Kind::not_found, operation, "pool " + name, "there is no storage pool with that name");
  }
  if (!pool->active) {
    throw libvirt_error(HostError::Kind::refused, operation, "pool " + name, "storage pool is not active");
  }
  return *pool;
}

Volume* find_volume(Pool& pool, const std::string& name) {
  const auto found = std::find_if(pool.volumes.begin(), pool.volumes.end(),
                                  [&](const Volume& volume) { return volume.name == name; });
  return found == pool.volumes.end() ? nullptr : &*found;
}

std::int64_t allocated(const Model& model) {
  std::int64_t sum = 0;
  for (const Pool& pool : model.pools) {
    for (const Volume& volume : pool.volumes) sum += volume.allocation;
  }
  return sum;
}

void require_space(const Model& model, const std::string& volume, std::int64_t bytes) {
  if (model.storage_free_gib * gib - allocated(model) >= bytes) return;
  throw libvirt_error(HostError::Kind::failed, "write", "volume " + volume, "no space left on device");
}

}  // namespace

std::optional<PoolState> SimHypervisor::pool(const std::string& name) {
  return simulation_.look([&](Model& model, std::int64_t) -> std::optional<PoolState> {
    require_libvirt(model);
    const Pool* pool = model.pool(name);
    if (pool == nullptr) return std::nullopt;
    const std::int64_t free = std::max<std::int64_t>(model.storage_free_gib * gib - allocated(model), 0);
    return PoolState{pool->name, pool->active, pool->path, model.storage_capacity_gib * gib, free};
  });
}

std::vector<VolumeState> SimHypervisor::volumes(const std::string& name) {
  return simulation_.look([&](Model& model, std::int64_t) {
    const Pool& pool = require_pool(model, "list the volumes of", name);
    std::vector<VolumeState> states;
    for (const Volume& volume : pool.volumes) states.push_back(state_of(model, pool, volume));
    return states;
  });
}

std::optional<VolumeState> SimHypervisor::volume(const std::string& pool_name, const std::string& name) {
  return simulation_.look([&](Model& model, std::int64_t) -> std::optional<VolumeState> {
    require_libvirt(model);
    Pool* pool = model.pool(pool_name);
    const Volume* volume = pool == nullptr || !pool->active ? nullptr : find_volume(*pool, name);
    if (volume == nullptr) return std::nullopt;
    return state_of(model, *pool, *volume);
  });
}

void SimHypervisor::define_pool(const std::string& name, const std::string& directory) {
  simulation_.change([&](Model& model, std::int64_t) {
    require_libvirt(model);
    for (const Pool& other : model.pools) {
      if (other.name == name && other.path == directory) continue;
      if (other.name != name && other.path != directory) continue;
      throw libvirt_error(HostError::Kind::refused, "define", "pool " + name,
                          fmt::format("pool '{}' is already defined with target path {}", other.name, other.path));
    }
    if (Pool* present = model.pool(name)) {
      present->active = true;
      return;
    }
    Pool pool;
    pool.name = name;
    pool.path = directory;
    model.directories.insert(directory);
    model.pools.push_back(std::move(pool));
  });
}

void SimHypervisor::remove_pool(const std::string& name) {
  simulation_.change([&](Model& model, std::int64_t) {
    require_libvirt(model);
    const Pool* pool = model.pool(name);
    if (pool == nullptr) return;
    // The volumes stay as files in the directory.
    for (const Volume& volume : pool->volumes) model.files[model.volume_path(*pool, volume)] = PlainFile{"", 0600};
    model.pools.erase(model.pools.begin() + (pool - model.pools.data()));
  });
}

void SimHypervisor::create_volume(const std::string& pool_name, const std::string& name, std::int64_t capacity_bytes,
                                  const std::string& backing_path) {
  simulation_.change([&](Model& model, std::int64_t) {
    Pool& pool = require_pool(model, "create a volume in", pool_name);
    if (find_volume(pool, name) != nullptr) {
      throw libvirt_error(HostError::Kind::refused, "create", "volume " + name,
                          fmt::format("storage volume '{}' exists already", name));
    }
    if (!backing_path.empty() && model.volume_at(backing_path) == nullptr && model.files.count(backing_path) == 0) {
      throw libvirt_error(HostError::Kind::refused, "create", "volume " + name,
                          fmt::format("cannot open backing file '{}': no such file or directory", backing_path));
    }
    require_space(model, name, empty_qcow2);
    Volume volume;
    volume.name = name;
    volume.capacity = capacity_bytes;
    volume.allocation = empty_qcow2;
    volume.backing = backing_path;
    pool.volumes.push_back(std::move(volume));
  });
}

void SimHypervisor::upload_volume(const std::string& pool_name, const std::string& name, const std::string& content) {
  simulation_.change([&](Model& model, std::int64_t) {
    Pool& pool = require_pool(model, "upload a volume to", pool_name);
    const auto size = static_cast<std::int64_t>(content.size());
    require_space(model, name, size);
    Volume* volume = find_volume(pool, name);
    if (volume == nullptr) volume = &pool.volumes.emplace_back();
    *volume = Volume{};
    volume->name = name;
    volume->capacity = size;
    volume->allocation = size;
    volume->format = "iso";
    volume->sha256 = sha256_hex(content);
  });
}

void SimHypervisor::fetch_image(const std::string& pool_name, const std::string& name, const ImageSource& wanted) {
  const std::string& url = wanted.url;
  const std::string& path = wanted.path;
  const std::string& sha256 = wanted.sha256;
  simulation_.change([&](Model& model, std::int64_t) {
    Pool& pool = require_pool(model, "bring an image into", pool_name);
    if (find_volume(pool, name) != nullptr) return;
    const std::string source = url.empty() ? path : url;
    if (!model.image_reachable) {
      if (url.empty()) throw file_error("read", path, ENOENT);
      throw HostError(HostError::Kind::unreachable, url, fmt::format("cannot fetch {}: could not resolve host", url));
    }
    if (!sha256.empty() && !model.image_sha256.empty() && sha256 != model.image_sha256) {
      throw HostError(HostError::Kind::refused, source,
                      fmt::format("cannot use {}: its SHA-256 is {}, not {}", source, model.image_sha256, sha256));
    }
    require_space(model, name, image_allocation);
    Volume volume;
    volume.name = name;
    volume.capacity = image_capacity;
    volume.allocation = image_allocation;
    volume.sha256 = model.image_sha256.empty() ? sha256 : model.image_sha256;
    pool.volumes.push_back(std::move(volume));
  });
}

void SimHypervisor::grow_volume(const std::string& pool_name, const std::string& name, std::int64_t capacity_bytes) {
  simulation_.change([&](Model& model, std::int64_t) {
    Pool& pool = require_pool(model, "grow a volume in", pool_name);
    Volume* volume = find_volume(pool, name);
    if (volume == nullptr) {
      throw libvirt_error(HostError::Kind::not_found, "grow", "volume " + name, "there is no volume with that name");
    }
    if (capacity_bytes < volume->capacity) {
      throw libvirt_error(HostError::Kind::refused, "grow", "volume " + name,
                          "can't shrink capacity below current capacity unless shrink flag explicitly specified");
    }
    volume->capacity = capacity_bytes;
  });
}

void SimHypervisor::delete_volume(const std::string& pool_name, const std::string& name) {
  simulation_.change([&](Model& model, std::int64_t) {
    require_libvirt(model);
    Pool* pool = model.pool(pool_name);
    const Volume* volume = pool == nullptr ? nullptr : find_volume(*pool, name);
    if (volume == nullptr) return;
    const auto readers = domains_reading(model, model.volume_path(*pool, *volume));
    if (!readers.empty()) {
      throw libvirt_error(HostError::Kind::busy, "delete", "volume " + name,
                          fmt::format("it is in use by the running domain {}", readers.front()));
    }
    pool->volumes.erase(pool->volumes.begin() + (volume - pool->volumes.data()));
  });
}

}  // namespace gpuplan::sim
