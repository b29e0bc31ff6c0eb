// One VM as the spec declares it, and the names that follow from it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/resource.h"
#include "spec/spec.h"

namespace gpuplan::vm_define {

inline constexpr std::int64_t bytes_per_gib = 1LL << 30;

// The declared attributes of one resource, typed.
struct Vm {
  std::string name;
  std::string owner;  // the cluster
  std::int64_t memory_mib = 0;
  std::int64_t cpus = 0;
  std::int64_t disk_gib = 0;
  std::vector<std::string> gpus;  // BDFs, ascending
  std::string firmware;
  std::string image;    // base image volume
  std::string network;  // a libvirt network, or bridge:NAME
  std::string address;
  std::string mac;
  std::string hugepages;
  std::string numa;   // auto | none
  std::string accel;  // kvm | tcg
  std::string pool;
  std::string pool_path;  // the pool's directory
};

Vm vm_of(const Resource& resource);
// Locally administered, of QEMU's range, from the SHA-256 of cluster and name: stable for ever.
std::string mac_for(const std::string& cluster, const std::string& name);
// "gpuplan-base-noble-server-cloudimg-amd64-1a2b3c4d5e6f.img": one name per source and checksum.
std::string image_volume(const ImageSpec& image);
bool is_image_volume(std::string_view volume);
// The value of the attribute `network`.
std::string network_attribute(const NetworkSpec& network);
// The bridge in a value of the attribute `network`; nothing if it names a libvirt network.
std::optional<std::string> bridge_in(const std::string& network_attribute);

// Disk volumes of a VM are NAME.qcow2 and, after a replacement, NAME_2.qcow2 and so on ('_' occurs in
// no node name); each has its seed beside it.
std::string disk_volume(const std::string& name, int number);
std::string seed_volume(const std::string& disk_volume);
// True for any disk or seed volume of the VM `name`.
bool is_volume_of(const std::string& name, std::string_view volume);
std::string console_log(const std::string& name);
std::string base_name(const std::string& path);

}  // namespace gpuplan::vm_define
