#include <fmt/format.h>

#include "host/seed/seed.h"
#include "json/json.h"

namespace gpuplan {
namespace {

Json file(const char* path, const char* content) {
  return {{"path", path}, {"permissions", "0644"}, {"content", content}};
}

}  // namespace

SeedFiles render_seed(const SeedDefinition& definition) {
  Json user_data = {
      {"hostname", definition.host_name},
      {"manage_etc_hosts", true},
      {"disable_root", false},
      {"ssh_pwauth", false},
      {"ssh_deletekeys", true},
      {"ssh_authorized_keys", {definition.authorized_key}},
      {"ssh_keys", {{"ed25519_private", definition.host_key}, {"ed25519_public", definition.host_key_public}}},
      {"growpart", {{"mode", "auto"}, {"devices", {"/"}}}},
      {"resize_rootfs", true},
      {"swap", {{"size", 0}}},
      {"write_files",
       {file("/etc/modules-load.d/gpuplan.conf", "overlay\nbr_netfilter\n"),
        file("/etc/sysctl.d/90-gpuplan.conf",
             "net.ipv4.ip_forward = 1\nnet.bridge.bridge-nf-call-iptables = 1\n"
             "net.bridge.bridge-nf-call-ip6tables = 1\n"),
        file("/etc/modprobe.d/gpuplan-nouveau.conf", "blacklist nouveau\noptions nouveau modeset=0\n")}},
      {"runcmd",
       {{"modprobe", "-a", "overlay", "br_netfilter"}, {"sysctl", "--system"}}},
  };
  if (definition.installs_packages) {
    user_data["packages"] = {"qemu-guest-agent"};
    user_data["runcmd"].push_back({"systemctl", "enable", "--now", "qemu-guest-agent"});
  }
  const Json meta_data = {{"instance-id", definition.instance_id}, {"local-hostname", definition.host_name}};
  const Json network_config = {
      {"version", 2},
      {"ethernets",
       {{"node",
         {{"match", {{"macaddress", definition.mac}}},
          {"addresses", {fmt::format("{}/{}", definition.address, definition.prefix)}},
          {"routes", Json::array({{{"to", "default"}, {"via", definition.gateway}}})},
          {"nameservers", {{"addresses", definition.name_servers}}}}}}},
  };
  return {"#cloud-config\n" + to_yaml(user_data), to_yaml(meta_data), to_yaml(network_config)};
}

}  // namespace gpuplan
