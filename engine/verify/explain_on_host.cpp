// A GPU that is missing in a guest, seen from the host.
// Source: Linux Documentation/driver-api/vfio.rst: a group is given away as a whole, or not at all.
#include <fmt/format.h>

#include <algorithm>

#include "host/pci/pci.h"
#include "host/xml/domain_xml.h"
#include "verify/explain.h"

namespace gpuplan::verify {
namespace {

std::string on_driver(const PciFunction& function) {
  return function.driver.empty() ? "on no driver" : "on the driver " + function.driver;
}

// A function of the group of `gpu` that keeps vfio from giving the group away, outside the GPU's own slot.
std::optional<PciFunction> intruder(const PciFunction& gpu, HostReader& host) {
  for (const Bdf& member : read_iommu_group(host.files(), *gpu.iommu_group)) {
    if (member.same_slot(gpu.address)) continue;
    std::optional<PciFunction> function = read_pci_function(host.files(), member);
    if (function && !function->leaves_group_to_vfio()) return function;
  }
  return std::nullopt;
}

bool is_in_vm(const Bdf& gpu, const std::string& node, Host& host) {
  const std::optional<DomainState> domain = host.hypervisor().domain(node);
  if (!domain) return true;  // then nothing of this is the reason
  const std::optional<DomainDefinition> definition = parse_domain(domain->xml);
  return !definition ||
         std::find(definition->devices.begin(), definition->devices.end(), gpu) != definition->devices.end();
}

std::optional<Explanation> explain(const Bdf& gpu, const std::string& node, const std::string& found,
                                   const VerifyRequest& request, Host& host) {
  const std::string address = gpu.to_string();
  const std::string apply = request.suggest("apply " + request.spec);
  const std::optional<PciFunction> function = read_pci_function(host.files(), gpu);
  if (!function) {
    return Explanation{
        found, fmt::format("the host has no GPU at {} any more", address),
        fmt::format("`{}` shows the GPUs that it has; power the server off and on if one fell off the bus, or mend "
                    "the spec if it was moved",
                    request.suggest("discover"))};
  }
  if (is_off_the_bus(host.files(), gpu)) {
    return Explanation{
        found, fmt::format("{} fell off the host's bus: its configuration space reads as all ones", address),
        "look at `dmesg` on the host; power the server off and on, for a reboot alone may not bring it back"};
  }
  for (const PciFunction& part : read_slot_functions(host.files(), gpu)) {
    if (part.driver == "vfio-pci") continue;
    return Explanation{
        found,
        fmt::format("on the host {} is {} and not on vfio-pci, so that no VM can have it", part.address.to_string(),
                    on_driver(part)),
        fmt::format("`{}` binds it to vfio-pci; see what bound it meanwhile, and `host.persist_bindings: true` for "
                    "after a reboot",
                    apply)};
  }
  if (!function->iommu_group) {
    return Explanation{found, fmt::format("on the host {} is in no IOMMU group: the IOMMU is off", address),
                       fmt::format("`{}` says how it is turned on", request.suggest("check " + request.spec))};
  }
  if (const std::optional<PciFunction> other = intruder(*function, host)) {
    return Explanation{
        found,
        fmt::format(
            "IOMMU group {} of {} also holds {} ({}), which is {}: a group goes to a VM as a whole, or not at all",
            *function->iommu_group, address, other->address.to_string(), class_name(*other), on_driver(*other)),
        fmt::format(
            "take its driver away from it if the host can do without (`{}` tells what it is used for), or put "
            "the GPU into a slot with a group of its own",
            request.suggest("check " + request.spec))};
  }
  if (!is_in_vm(gpu, node, host)) {
    return Explanation{found, fmt::format("the VM {} does not have {}", node, address),
                       fmt::format("`{}` gives it to it", apply)};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Explanation> explain_on_host(const VerifiedWorker& worker, const std::string& found,
                                           const VerifyRequest& request, Host& host) {
  try {
    for (const Bdf& gpu : worker.on_host) {
      if (std::optional<Explanation> why = explain(gpu, worker.target.node, found, request, host)) return why;
    }
  } catch (const HostError&) {
    // What the guest says stands, then.
  }
  return std::nullopt;
}

}  // namespace gpuplan::verify
