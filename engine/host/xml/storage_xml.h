// libvirt's storage pool and volume documents as values.
// Source: https://libvirt.org/formatstorage.html.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gpuplan {

struct VolumeDefinition {
  std::string name;
  std::string format = "qcow2";     // qcow2 | raw | iso
  std::int64_t capacity_bytes = 0;  // as the guest sees it
  std::string backing_path;         // empty without a backing file
  std::string backing_format;       // of that file; not looked at without one
};

// A pool of files in one directory. All functions are thread-safe.
std::string render_pool(const std::string& name, const std::string& directory);
// The target directory of a pool document; nothing if it is not one.
std::optional<std::string> parse_pool_path(std::string_view xml);

std::string render_volume(const VolumeDefinition& definition);
// Reads what render_volume wrote, also after libvirt completed it. Nothing if it is not a volume document.
std::optional<VolumeDefinition> parse_volume(std::string_view xml);

}  // namespace gpuplan
