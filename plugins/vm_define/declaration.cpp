#include "declaration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "digest/digest.h"

namespace gpuplan::vm_define {
namespace {

constexpr std::string_view image_prefix = "gpuplan-base-";
constexpr std::string_view bridge_prefix = "bridge:";
constexpr std::string_view disk_suffix = ".qcow2";
constexpr std::string_view seed_suffix = "_seed.iso";

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

// The last part of a URL or path without its extension, reduced to what a file name can safely have.
std::string stem_of(const std::string& source) {
  std::string stem = base_name(source);
  stem = stem.substr(0, stem.find_last_of('.'));
  for (char& c : stem) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '.') c = '-';
  }
  return stem.empty() ? "image" : stem.substr(0, 60);
}

}  // namespace

Vm vm_of(const Resource& resource) {
  const Attributes& declared = resource.declared;
  Vm vm;
  vm.name = std::string(resource.address.name());
  vm.owner = declared.text("owner");
  vm.memory_mib = declared.number("memory");
  vm.cpus = declared.number("cpus");
  vm.disk_gib = declared.number("disk");
  vm.gpus = declared.list("gpus");
  vm.firmware = declared.text("firmware");
  vm.image = declared.text("image");
  vm.network = declared.text("network");
  vm.address = declared.text("address");
  vm.mac = declared.text("mac");
  vm.hugepages = declared.text("hugepages");
  vm.numa = declared.text("numa");
  vm.accel = declared.text("accel");
  vm.pool = declared.text("pool");
  vm.pool_path = declared.text("pool_path");
  return vm;
}

std::string mac_for(const std::string& cluster, const std::string& name) {
  const std::string digest = sha256_hex(cluster + "/" + name);
  return fmt::format("52:54:00:{}:{}:{}", digest.substr(0, 2), digest.substr(2, 2), digest.substr(4, 2));
}

std::string image_volume(const ImageSpec& image) {
  const std::string& source = image.path.empty() ? image.url : image.path;
  return fmt::format("{}{}-{}.img", image_prefix, stem_of(source),
                     sha256_hex(source + "\n" + image.sha256).substr(0, 12));
}

bool is_image_volume(std::string_view volume) { return volume.substr(0, image_prefix.size()) == image_prefix; }

std::string network_attribute(const NetworkSpec& network) {
  return network.mode == "bridge" ? std::string(bridge_prefix) + network.bridge : network.name;
}

std::optional<std::string> bridge_in(const std::string& network_attribute) {
  if (network_attribute.rfind(bridge_prefix, 0) != 0) return std::nullopt;
  return network_attribute.substr(bridge_prefix.size());
}

std::string disk_volume(const std::string& name, int number) {
  return number <= 1 ? name + std::string(disk_suffix) : fmt::format("{}_{}{}", name, number, disk_suffix);
}

std::string seed_volume(const std::string& disk_volume) {
  return disk_volume.substr(0, disk_volume.size() - disk_suffix.size()) + std::string(seed_suffix);
}

bool is_volume_of(const std::string& name, std::string_view volume) {
  if (volume.substr(0, name.size()) != name) return false;
  volume.remove_prefix(name.size());
  const bool seed = ends_with(volume, seed_suffix);
  if (!seed && !ends_with(volume, disk_suffix)) return false;
  volume.remove_suffix(seed ? seed_suffix.size() : disk_suffix.size());
  return volume.empty() || (volume.front() == '_' && is_number(volume.substr(1)));
}

std::string console_log(const std::string& name) { return "/var/log/libvirt/qemu/" + name + "-console.log"; }

std::string base_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace gpuplan::vm_define
