#include <fmt/format.h>

#include "spec/sections.h"

namespace gpuplan {
namespace {

constexpr std::int64_t max_cpus = 255;      // more need an emulated IOMMU, without which libvirt refuses the VM
constexpr std::int64_t min_disk_gib = 10;  // the image, container images and logs
constexpr std::int64_t max_disk_gib = 65'536;

void read_sizes(MappingDecoder& section, std::int64_t least_memory, std::int64_t least_cpus, VmResources& target,
                Diagnostics& diagnostics) {
  read_size(section, {"memory", "MiB", least_memory, max_memory_mib}, target.memory_mib, diagnostics);
  read_size(section, {"cpus", "CPUs", least_cpus, max_cpus}, target.cpus, diagnostics);
  read_size(section, {"disk", "GiB", min_disk_gib, max_disk_gib}, target.disk_gib, diagnostics);
  section.choice("firmware", target.firmware, {"efi", "bios"});
}

void check_hugepages(MappingDecoder& section, const VmResources& resources, Diagnostics& diagnostics) {
  const std::int64_t page_mib = resources.hugepages == "1G" ? 1024 : resources.hugepages == "2M" ? 2 : 1;
  if (resources.memory_mib % page_mib == 0) return;
  const YamlNode* place = section.node("memory");
  if (place == nullptr) place = section.node("hugepages");
  if (place == nullptr) return;  // both inherited: said where they were written
  const std::int64_t rounded = (resources.memory_mib / page_mib + 1) * page_mib;
  diagnostics.error(place->where(),
                    fmt::format("{}: {} MiB cannot be made of hugepages of {}", section.path("memory"),
                                resources.memory_mib, resources.hugepages),
                    fmt::format("use a multiple of {}, for example {}", page_mib, rounded));
}

void read_worker(MappingDecoder& section, VmResources& target, Diagnostics& diagnostics) {
  read_sizes(section, 1024, 1, target, diagnostics);
  section.choice("hugepages", target.hugepages, {"none", "2M", "1G"});
  section.choice("numa", target.numa, {"auto", "none"});
  section.finish();
  check_hugepages(section, target, diagnostics);
}

void read_overrides(MappingDecoder& resources, MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  MappingDecoder workers = section(resources, "workers", diagnostics);
  check_worker_keys(workers, resources.node("workers"), document, diagnostics, "");
  for (WorkerSpec& worker : spec.workers) {
    if (workers.node(worker.key) == nullptr) continue;
    MappingDecoder own = section(workers, worker.key, diagnostics);
    if (own.valid()) read_worker(own, worker.resources, diagnostics);
  }
}

}  // namespace

void read_vm_resources(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  MappingDecoder resources = section(document, "vm_resources", diagnostics);
  MappingDecoder control_plane = section(resources, "control_plane", diagnostics);
  spec.control_plane.resources.memory_mib = 8192;
  spec.control_plane.resources.cpus = 4;
  spec.control_plane.resources.disk_gib = 100;
  // kubeadm refuses a control plane with less than 1700 MB or 2 CPUs.
  read_sizes(control_plane, 2048, 2, spec.control_plane.resources, diagnostics);
  control_plane.finish();

  MappingDecoder worker = section(resources, "worker", diagnostics);
  VmResources defaults;
  defaults.memory_mib = 65536;
  defaults.cpus = 16;
  defaults.disk_gib = 500;
  read_worker(worker, defaults, diagnostics);
  for (WorkerSpec& each : spec.workers) each.resources = defaults;
  read_overrides(resources, document, spec, diagnostics);
  resources.finish();
}

}  // namespace gpuplan
