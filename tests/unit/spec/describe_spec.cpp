#include "describe_spec.h"

#include <fmt/format.h>

#include "host/guest_target.h"

namespace gpuplan {
namespace {

std::string describe_resources(const VmResources& r) {
  return fmt::format("memory={} cpus={} disk={} firmware={} hugepages={} numa={}", r.memory_mib, r.cpus, r.disk_gib,
                     r.firmware, r.hugepages, r.numa);
}

}  // namespace

std::string describe_spec(const Spec& spec) {
  std::string out = fmt::format("cluster {}\n", spec.cluster);
  for (const PciId& id : spec.gpu_device_ids) out += fmt::format("device id {}\n", id.to_string());
  if (spec.gpus_auto) out += "gpus auto\n";
  for (const GpuSpec& gpu : spec.gpus) {
    out += fmt::format("gpu {} audio {} at {}:{}\n", gpu.address.to_string(),
                       gpu.audio ? gpu.audio->to_string() : "none", gpu.where.line, gpu.where.column);
  }
  const ControlPlaneSpec& control = spec.control_plane;
  out +=
      fmt::format("control plane {} {} {}\n", control.name, control.address, describe_resources(control.resources));
  if (control.machine) out += fmt::format("machine {}\n", login_text(*control.machine));
  for (const WorkerSpec& worker : spec.workers) {
    out += fmt::format("worker {} {} {} gpus [{}] {} at {}:{}\n", worker.key, worker.name, worker.address,
                       fmt::join(worker.gpu_indexes, ", "), describe_resources(worker.resources), worker.where.line,
                       worker.where.column);
    if (worker.machine) out += fmt::format("machine {}\n", login_text(*worker.machine));
    if (worker.machine && worker.machine->gpus > 0) out += fmt::format("machine's gpus {}\n", worker.machine->gpus);
    for (const auto& [key, value] : worker.labels) out += fmt::format("label {} = '{}'\n", key, value);
    for (const NodeTaint& taint : worker.taints) out += fmt::format("taint {}\n", taint.to_string());
  }
  const HostSpec& host = spec.host;
  out += fmt::format("host {} {} stop [{}] reserve {} persist {} boot {}\n", host.libvirt_uri, host.accel,
                     fmt::join(host.stop_services, ", "), host.memory_reserve_mib, host.persist_bindings, host.configure_boot);
  const NetworkSpec& network = spec.network;
  out += fmt::format("network {} {} bridge '{}' {}\n", network.name, network.mode, network.bridge, network.cidr);
  out += fmt::format("gateway {} name servers {}\n", network.gateway, fmt::join(network.name_servers, " "));
  for (const auto& [who, address] : network.addresses) out += fmt::format("explicit address {} {}\n", who, address);
  out += fmt::format("image url '{}' path '{}' sha256 '{}'\n", spec.image.url, spec.image.path, spec.image.sha256);
  out += fmt::format("storage {} {}\n", spec.storage.pool, spec.storage.path);
  out += fmt::format("kubernetes {} pods {} services {} cni {}\n", spec.kubernetes.version, spec.kubernetes.pod_cidr,
                     spec.kubernetes.service_cidr, spec.kubernetes.cni);
  out += fmt::format("gpu operator {} version '{}' driver {} values {}{}\n", spec.gpu_operator.enabled,
                     spec.gpu_operator.version, spec.gpu_operator.driver, spec.gpu_operator.values_json,
                     spec.gpu_operator.remove_crds ? "" : ", its CRDs stay");
  const MirrorSpec& mirrors = spec.mirrors;
  if (mirrors.only) out += "mirrors only\n";
  for (const auto& [name, url] : mirrors.packages) out += fmt::format("mirror of packages {} {}\n", name, url);
  for (const auto& [name, file] : mirrors.keys) out += fmt::format("key of packages {} {} at {}:{}\n", name, file.path, file.where.line, file.where.column);
  for (const auto& [name, url] : mirrors.registries) out += fmt::format("mirror of registry {} {}\n", name, url);
  for (const auto& [name, url] : mirrors.charts) out += fmt::format("mirror of chart {} {}\n", name, url);
  for (const auto& [name, url] : mirrors.manifests) out += fmt::format("mirror of manifest {} {}\n", name, url);
  if (!mirrors.helm.empty()) out += fmt::format("mirror of helm {}\n", mirrors.helm);
  if (!mirrors.time.empty()) out += fmt::format("time from {}\n", fmt::join(mirrors.time, ", "));
  for (const SpecFile& file : spec.ca_certificates)
    out += fmt::format("certificate {} at {}:{}\n", file.path, file.where.line, file.where.column);
  const Timeouts& t = spec.timeouts;
  out += fmt::format("timeouts {} {} {} {} {} {} {}\n", t.guest_boot, t.ssh, t.kubeadm, t.node_ready, t.operator_ready,
                     t.unbind, t.verify);
  out += fmt::format("on failure {} verify {}\n", spec.on_failure, spec.verify);
  for (const auto& [kind, node] : spec.extensions) {
    out += fmt::format("extension {}: {} at {}:{}\n", kind, describe(node.kind()), node.where().line,
                       node.where().column);
  }
  return out;
}

std::string render_all(const Diagnostics& diagnostics) {
  std::string out;
  for (const Diagnostic& diagnostic : diagnostics.items()) out += render(diagnostic, false);
  return out;
}

}  // namespace gpuplan
