#include <fmt/format.h>

#include <map>
#include <set>

#include "plan/resolve.h"
#include "spec/network_range.h"

namespace gpuplan {
namespace {

constexpr std::uint32_t first_worker_offset = 20;

// The addresses that gpuplan's own VMs have now, by node.
std::map<std::string, std::string> addresses_in_use(const std::vector<OwnedResource>& owned) {
  std::map<std::string, std::string> out;
  for (const OwnedResource& item : owned) {
    if (item.resource.address.kind() != "vm-define") continue;
    out.emplace(item.resource.address.name(), item.resource.declared.text("address"));
  }
  return out;
}

// The lowest address of the range that is not taken, which it then is; empty if there is none.
std::string take_lowest(const Ipv4Range& range, std::set<std::string>& taken) {
  for (std::uint64_t next = std::uint64_t{range.base} + first_worker_offset; next < range.last(); ++next) {
    std::string text = format_ipv4(static_cast<std::uint32_t>(next));
    if (taken.insert(text).second) return text;
  }
  return {};
}

}  // namespace

void keep_addresses(Spec& spec, const std::vector<OwnedResource>& owned, Diagnostics& diagnostics) {
  const auto range = parse_ipv4_range(spec.network.cidr);
  if (!range) return;
  const std::map<std::string, std::string> in_use = addresses_in_use(owned);
  std::set<std::string> fixed = {spec.control_plane.address};
  for (const WorkerSpec& worker : spec.workers) {
    if (!worker.address_is_free_choice) fixed.insert(worker.address);
  }
  std::set<std::string> taken = fixed;
  for (const auto& [node, address] : in_use) taken.insert(address);
  for (WorkerSpec& worker : spec.workers) {
    if (!worker.address_is_free_choice) continue;
    const auto kept = in_use.find(worker.name);
    const auto address = kept == in_use.end() ? std::nullopt : parse_ipv4(kept->second);
    const bool still_fits = address && range->contains(*address) && fixed.insert(kept->second).second;
    worker.address = still_fits ? kept->second : take_lowest(*range, taken);
    if (!worker.address.empty()) continue;
    diagnostics.error(worker.where, fmt::format("network.cidr {} has no free address for {}", spec.network.cidr, worker.key),
                      "widen network.cidr, or remove workers first");
  }
}

}  // namespace gpuplan
