// What a machine shows of itself: sysfs, procfs, configuration files, libvirt's objects, the answers of nvidia-smi,
// fmpm and others. A part is a file, under its path; with "PATH -> TARGET" a link, with "$ ARGV" what a program prints,
// with "domain NAME" and "network NAME" libvirt's document of that object.
#include "fuzz/fuzz.h"
#include "host/pci/topology.h"
#include "host/routes.h"
#include "inventory/print_inventory.h"
#include "plugin/plugin.h"
#include "propose/proposal.h"
#include "record/record.h"
#include "spec/read_spec.h"
#include "support/memory_host.h"

extern "C" {
extern const GpuplanPlugin iommu_check_plugin;
extern const GpuplanPlugin vfio_bind_plugin;
extern const GpuplanPlugin vm_define_plugin;
}

using namespace gpuplan;

namespace {

void fill(test::MemoryHost& host, const std::vector<fuzz::Part>& parts) {
  const auto starts = [](const std::string& text, std::string_view with) { return text.rfind(with, 0) == 0; };
  for (const fuzz::Part& part : parts) {
    const std::size_t arrow = part.name.find(" -> ");
    if (starts(part.name, "$ ")) host.commands[part.name.substr(2)] = {0, part.text, ""};
    else if (starts(part.name, "domain ")) host.domain_states.push_back({part.name.substr(7), "u", PowerState::running, true, part.text});
    else if (starts(part.name, "network ")) host.network_states.push_back({part.name.substr(8), "u", true, true, part.text});
    else if (arrow != std::string::npos) host.links[part.name.substr(0, arrow)] = part.name.substr(arrow + 4);
    else host.contents[part.name] = part.text;
  }
}

// HostError is the only way to fail.
template <class Body>
void ask(const Body& body) {
  try {
    body();
  } catch (const HostError&) {
  }
}

const Spec& full_spec() {
  static const Spec spec = [] {
    Diagnostics problems;
    auto read = read_spec_file(GPUPLAN_SOURCE_DIR "/specs/full.yaml", problems);
    fuzz::require(read.has_value(), "specs/full.yaml can be read");
    return *read;
  }();
  return spec;
}

void plan_with(const GpuplanPlugin& plugin, test::MemoryHost& host) {
  static std::map<const GpuplanPlugin*, std::unique_ptr<StepKind>> kinds;
  auto& kind = kinds[&plugin];
  if (!kind) kind.reset(plugin.create());
  const Prior none{};
  for (const Resource& resource : kind->expand(full_spec())) {
    ask([&] { kind->check(resource, full_spec(), none, host); });
    ask([&] {
      const Observation seen = kind->observe(resource, none, host);
      const Change change = kind->compare(resource, seen, none);
      kind->capture(change, host);
    });
  }
}

void propose(const Inventory& inventory, test::MemoryHost& host) {
  SpecProposal proposal;
  proposal.gpus = gpu_candidates(inventory, proposal.left_out);
  proposal.stop_services = services_to_stop(inventory, proposal.gpus);
  if (!assign_workers(inventory, std::nullopt, proposal)) return;
  size_vms(inventory, proposal);
  ask([&] { proposal.cidr = free_network(host); });
  print_spec(inventory, proposal);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static PciNames names("/nonexistent");
  test::MemoryHost host;
  fill(host, fuzz::parts(data, size));
  ask([&] {
    const Inventory inventory = read_inventory(host, names);
    print_inventory(inventory, true);
    print_inventory_tree(inventory, true);
    inventory_to_json(inventory).dump(-1, ' ', false, Json::error_handler_t::replace);
    ask([&] { record_host(host, inventory); });
    propose(inventory, host);
  });
  for (const GpuplanPlugin* plugin : {&iommu_check_plugin, &vfio_bind_plugin, &vm_define_plugin}) plan_with(*plugin, host);
  return 0;
}
