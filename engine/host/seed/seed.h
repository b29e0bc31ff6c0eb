// What a guest learns about itself at its first boot: a cloud-init NoCloud seed. The only user of libarchive.
// Source: https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/host_error.h"

namespace gpuplan {

struct SeedDefinition {
  std::string instance_id;  // cloud-init runs its first-boot work once per id
  std::string host_name;
  std::string mac;      // of the interface that gets the address
  std::string address;  // IPv4
  int prefix = 24;
  std::string gateway;  // IPv4
  std::vector<std::string> name_servers;
  bool installs_packages = true;  // qemu-guest-agent, from the image's own package sources
  // As GuestCredentials has them. The seed therefore holds a secret: the guest's private host key.
  std::string authorized_key;
  std::string host_key;
  std::string host_key_public;
};

// The three documents of a seed.
struct SeedFiles {
  std::string user_data;
  std::string meta_data;
  std::string network_config;
};

// Host name, static address, ssh keys (logins are root's, by key alone), grown root file system, and what a
// Kubernetes node needs of its kernel.
// Pure; equal definitions render equal text.
SeedFiles render_seed(const SeedDefinition& definition);

// The seed as the bytes of an ISO 9660 image with the label that cloud-init looks for. Thread-safe.
// Throws HostError::failed if there is no memory for it.
std::string pack_seed(const SeedFiles& files);

}  // namespace gpuplan
