#include "host/libvirt/libvirt_storage.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "host/files/descriptor.h"
#include "host/libvirt/volume_source.h"

namespace gpuplan {
namespace {

using Kind = HostError::Kind;
using std::chrono::steady_clock;

constexpr std::string_view incomplete_suffix = ".incomplete";

std::string marker_of(const std::string& name) { return name + std::string(incomplete_suffix); }

bool is_marker(const std::string& name) {
  return name.size() > incomplete_suffix.size() &&
         name.compare(name.size() - incomplete_suffix.size(), std::string::npos, incomplete_suffix) == 0;
}

std::string xml_of(virStoragePoolPtr pool, const std::string& name) {
  return take_text(virStoragePoolGetXMLDesc(pool, 0), "read the definition of the storage pool " + name, name);
}

bool is_active(virStoragePoolPtr pool, const std::string& name) {
  const int active = virStoragePoolIsActive(pool);
  require(active, "ask for the state of the storage pool " + name, name);
  return active == 1;
}

// Empty if there is none.
VolumeHandle look_up(virStoragePoolPtr pool, const std::string& name) {
  VolumeHandle volume(virStorageVolLookupByName(pool, name.c_str()));
  if (!volume && last_libvirt_error() != VIR_ERR_NO_STORAGE_VOL) throw_libvirt_error("look for the volume " + name, name);
  return volume;
}

VolumeDefinition definition_of(virStorageVolPtr volume, const std::string& name) {
  const std::string xml =
      take_text(virStorageVolGetXMLDesc(volume, 0), "read the definition of the volume " + name, name);
  return parse_volume(xml).value_or(VolumeDefinition{});
}

VolumeState state_of(virStorageVolPtr volume) {
  VolumeState state;
  state.name = virStorageVolGetName(volume);
  const VolumeDefinition definition = definition_of(volume, state.name);
  state.path = take_text(virStorageVolGetPath(volume), "ask for the path of the volume " + state.name, state.name);
  state.capacity_bytes = definition.capacity_bytes;
  state.backing_path = definition.backing_path;
  state.format = definition.format;
  return state;
}

void delete_if_present(virStoragePoolPtr pool, const std::string& name) {
  const VolumeHandle volume = look_up(pool, name);
  if (!volume || virStorageVolDelete(volume.get(), 0) == 0 || last_libvirt_error() == VIR_ERR_NO_STORAGE_VOL) return;
  throw_libvirt_error("delete the volume " + name, name);
}

VolumeHandle make(virStoragePoolPtr pool, const VolumeDefinition& definition) {
  VolumeHandle volume(virStorageVolCreateXML(pool, render_volume(definition).c_str(), 0));
  if (!volume) throw_libvirt_error("make the volume " + definition.name, definition.name);
  return volume;
}

VolumeDefinition raw_volume(const std::string& name, std::uint64_t size) {
  VolumeDefinition definition;
  definition.name = name;
  definition.format = "raw";
  definition.capacity_bytes = static_cast<std::int64_t>(std::max<std::uint64_t>(size, 1));
  return definition;
}

// Sends everything through a stream. A stream that is not finished is aborted when it is freed.
void send(virConnectPtr connection, virStorageVolPtr volume, const std::string& name, VolumeSource& source,
          steady_clock::time_point deadline) {
  const std::string what = "fill the volume " + name;
  const StreamHandle stream(virStreamNew(connection, 0));
  if (!stream) throw_libvirt_error(what, name);
  require(virStorageVolUpload(volume, stream.get(), 0, source.size(), 0), what, name);
  std::vector<char> buffer(256U << 10U);
  try {
    while (const std::size_t count = source.next(buffer.data(), buffer.size())) {
      for (std::size_t done = 0; done < count;) {
        const int sent = virStreamSend(stream.get(), buffer.data() + done, count - done);
        require(sent, what, name);
        done += static_cast<std::size_t>(sent);
      }
      if (steady_clock::now() > deadline) {
        throw HostError(Kind::timed_out, name, fmt::format("cannot {}: it is not done within its time limit", what));
      }
    }
    source.require_right();
  } catch (const HostError&) {
    virStreamAbort(stream.get());
    throw;
  }
  require(virStreamFinish(stream.get()), what, name);
}

void sync_path(const std::string& path, int flags) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags));
  // Not for us to open, or libvirt's test driver, which has no files.
  if (!file) return;
  if (::fsync(file.get()) == 0) return;
  throw HostError(kind_of_errno(errno), path, fmt::format("cannot write {} out to its disk: {}", path, words_for_errno(errno)));
}

// libvirt is done while the kernel still holds what it wrote: after a power cut there would be a volume without its content.
void write_out(virStorageVolPtr volume, const std::string& name) {
  const std::string path = take_text(virStorageVolGetPath(volume), "ask for the path of the volume " + name, name);
  sync_path(path, 0);
  sync_path(path.substr(0, path.rfind('/')), O_DIRECTORY);
}

}  // namespace

// ---------------------------------------------------------------------------------------- pools

PoolHandle LibvirtStorage::look_up_pool(const std::string& name) {
  PoolHandle pool(virStoragePoolLookupByName(connection_.get().get(), name.c_str()));
  if (!pool && last_libvirt_error() != VIR_ERR_NO_STORAGE_POOL) {
    throw_libvirt_error("look for the storage pool " + name, name);
  }
  return pool;
}

PoolHandle LibvirtStorage::require_pool(const std::string& name) {
  PoolHandle pool = look_up_pool(name);
  if (!pool) throw_libvirt_error("use the storage pool " + name, name);
  return pool;
}

std::optional<PoolState> LibvirtStorage::pool(const std::string& name) {
  const PoolHandle pool = look_up_pool(name);
  if (!pool) return std::nullopt;
  PoolState state;
  state.name = name;
  state.active = is_active(pool.get(), name);
  state.path = parse_pool_path(xml_of(pool.get(), name)).value_or("");
  virStoragePoolInfo info{};
  require(virStoragePoolGetInfo(pool.get(), &info), "ask for the size of the storage pool " + name, name);
  state.capacity_bytes = static_cast<std::int64_t>(info.capacity);
  state.available_bytes = static_cast<std::int64_t>(info.available);
  return state;
}

void LibvirtStorage::define_pool(const std::string& name, const std::string& directory) {
  PoolHandle pool = look_up_pool(name);
  if (pool) {
    const std::string present = parse_pool_path(xml_of(pool.get(), name)).value_or("");
    if (present != directory) {
      throw HostError(Kind::refused, name,
                      fmt::format("the storage pool {} exists already and keeps its volumes in {}, not in {}; choose "
                                  "another name for storage.pool in the spec",
                                  name, present, directory));
    }
  } else {
    pool.reset(virStoragePoolDefineXML(connection_.get().get(), render_pool(name, directory).c_str(), 0));
    if (!pool) throw_libvirt_error("define the storage pool " + name, name);
  }
  if (!is_active(pool.get(), name)) {
    require(virStoragePoolBuild(pool.get(), 0), "make the directory of the storage pool " + name, name);
    require(virStoragePoolCreate(pool.get(), 0), "start the storage pool " + name, name);
  }
  require(virStoragePoolSetAutostart(pool.get(), 1), "let the storage pool " + name + " start with the machine", name);
}

void LibvirtStorage::remove_pool(const std::string& name) {
  const PoolHandle pool = look_up_pool(name);
  if (!pool) return;
  const bool transient = virStoragePoolIsPersistent(pool.get()) == 0;
  if (is_active(pool.get(), name)) {
    require(virStoragePoolDestroy(pool.get()), "stop the storage pool " + name, name);
  }
  if (!transient) require(virStoragePoolUndefine(pool.get()), "undefine the storage pool " + name, name);
}

// -------------------------------------------------------------------------------------- volumes

std::vector<VolumeState> LibvirtStorage::volumes(const std::string& pool_name) {
  const PoolHandle pool = require_pool(pool_name);
  virStorageVolPtr* objects = nullptr;
  const int count = virStoragePoolListAllVolumes(pool.get(), &objects, 0);
  require(count, "list the volumes of the storage pool " + pool_name, pool_name);
  const auto handles = take_list<VolumeHandle>(objects, count);
  std::vector<std::string> hidden;
  for (const VolumeHandle& volume : handles) {
    const std::string name = virStorageVolGetName(volume.get());
    if (!is_marker(name)) continue;
    hidden.push_back(name);
    hidden.push_back(name.substr(0, name.size() - incomplete_suffix.size()));
  }
  std::vector<VolumeState> states;
  for (const VolumeHandle& volume : handles) {
    if (std::count(hidden.begin(), hidden.end(), virStorageVolGetName(volume.get())) > 0) continue;
    try {
      states.push_back(state_of(volume.get()));
    } catch (const HostError& error) {
      // Deleted by somebody since the list was made.
      if (error.kind() != Kind::not_found) throw;
    }
  }
  std::sort(states.begin(), states.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return states;
}

std::optional<VolumeState> LibvirtStorage::volume(const std::string& pool_name, const std::string& name) {
  const PoolHandle pool = look_up_pool(pool_name);
  if (!pool || !is_active(pool.get(), pool_name)) return std::nullopt;
  const VolumeHandle volume = look_up(pool.get(), name);
  if (!volume || look_up(pool.get(), marker_of(name))) return std::nullopt;
  return state_of(volume.get());
}

std::string LibvirtStorage::format_of(const std::string& path) {
  const Connection connection = connection_.get();
  const VolumeHandle volume(virStorageVolLookupByPath(connection.get(), path.c_str()));
  // Not a volume of a pool. A raw file that is taken for qcow2 is refused by QEMU; the other way round
  // a guest would see qcow2's own tables.
  if (!volume) return "qcow2";
  return definition_of(volume.get(), path).format;
}

void LibvirtStorage::create(const std::string& pool_name, const std::string& name, std::int64_t capacity_bytes,
                            const std::string& backing_path) {
  const PoolHandle pool = require_pool(pool_name);
  if (look_up(pool.get(), name)) {
    throw HostError(Kind::refused, name,
                    fmt::format("cannot make the volume {}: the storage pool {} has one of this name", name, pool_name));
  }
  VolumeDefinition definition;
  definition.name = name;
  definition.capacity_bytes = capacity_bytes;
  definition.backing_path = backing_path;
  if (!backing_path.empty()) definition.backing_format = format_of(backing_path);
  write_out(make(pool.get(), definition).get(), name);
}

void LibvirtStorage::fill(virStoragePoolPtr pool, const VolumeDefinition& definition, VolumeSource& source,
                          steady_clock::time_point deadline) {
  const std::string marker = marker_of(definition.name);
  if (!look_up(pool, marker)) make(pool, raw_volume(marker, 1));
  delete_if_present(pool, definition.name);
  const Connection connection = connection_.get();
  try {
    const VolumeHandle volume = make(pool, definition);
    send(connection.get(), volume.get(), definition.name, source, deadline);
    write_out(volume.get(), definition.name);
  } catch (const HostError&) {
    // The marker goes last, and stays if this fails too.
    delete_if_present(pool, definition.name);
    delete_if_present(pool, marker);
    throw;
  }
  delete_if_present(pool, marker);
}

void LibvirtStorage::upload(const std::string& pool_name, const std::string& name, const std::string& content) {
  TextSource source(content);
  fill(require_pool(pool_name).get(), raw_volume(name, content.size()), source, steady_clock::time_point::max());
}

void LibvirtStorage::fetch(const std::string& pool_name, const std::string& name, const ImageSource& source) {
  const auto deadline = steady_clock::now() + source.limit;
  const PoolHandle pool = require_pool(pool_name);
  if (volume(pool_name, name)) return;
  const std::string path =
      source.path.empty() ? downloads_.bring(source.url, source.sha256, source.limit, source.progress) : source.path;
  ImageFile image(path, source.sha256);
  VolumeDefinition definition;
  definition.name = name;
  definition.format = image.format();
  definition.capacity_bytes = static_cast<std::int64_t>(image.capacity());
  fill(pool.get(), definition, image, deadline);
}

void LibvirtStorage::grow(const std::string& pool_name, const std::string& name, std::int64_t capacity_bytes) {
  const PoolHandle pool = require_pool(pool_name);
  const VolumeHandle volume = look_up(pool.get(), name);
  if (!volume) throw_libvirt_error("grow the volume " + name, name);
  const std::int64_t present = definition_of(volume.get(), name).capacity_bytes;
  if (present == capacity_bytes) return;
  if (present > capacity_bytes) {
    throw HostError(Kind::refused, name,
                    fmt::format("cannot grow the volume {} to {} bytes: it has {} already, and volumes are never shrunk",
                                name, capacity_bytes, present));
  }
  require(virStorageVolResize(volume.get(), static_cast<unsigned long long>(capacity_bytes), 0),
          "grow the volume " + name, name);
}

void LibvirtStorage::remove(const std::string& pool_name, const std::string& name) {
  const PoolHandle pool = look_up_pool(pool_name);
  if (!pool) return;
  delete_if_present(pool.get(), name);
  delete_if_present(pool.get(), marker_of(name));
}

}  // namespace gpuplan
