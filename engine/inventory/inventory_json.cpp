#include "inventory/print_inventory.h"

namespace gpuplan {
namespace {

template <class Value>
Json or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::string kind_of(const PciFunction& function) {
  if (function.is_gpu()) return "gpu";
  if (function.is_nvswitch()) return "nvswitch";
  return function.is_bridge() ? "bridge" : "other";
}

Json bar_to_json(const PciBar& bar) {
  return {{"index", bar.index},
          {"bytes", bar.size},
          {"assigned", bar.base != 0},
          {"is_64_bit", bar.is_64_bit},
          {"prefetchable", bar.is_prefetchable}};
}

Json function_to_json(const InventoryFunction& item) {
  const PciFunction& function = item.function;
  Json out = {{"address", function.address.to_string()},
              {"kind", kind_of(function)},
              {"class", class_name(function)},
              {"class_code", function.class_code},
              {"id", function.id.to_string()},
              {"subsystem", item.subsystem.to_string()},
              {"vendor_name", item.vendor_name},
              {"device_name", item.device_name},
              {"driver_model", item.driver_model},
              {"numa_node", function.numa_node < 0 ? Json(nullptr) : Json(function.numa_node)},
              {"iommu_group", or_null(function.iommu_group)},
              {"driver", function.driver},
              {"driver_override", function.driver_override},
              {"reset_methods", function.reset_methods},
              {"boot_display", function.boot_display},
              {"virtual_functions", function.virtual_functions},
              {"host_bridge", item.path.root},
              {"module", or_null(item.module)},
              {"interfaces", item.interfaces},
              {"disks", item.disks},
              {"hangs", item.hangs},
              {"off_the_bus", item.off_the_bus}};
  for (const char* list : {"bars", "bridges", "holders", "vms"}) out[list] = Json::array();
  for (const PciBar& bar : function.bars) out["bars"].push_back(bar_to_json(bar));
  for (const Bdf& bridge : item.path.bridges) out["bridges"].push_back(bridge.to_string());
  for (const DeviceHolder& holder : item.holders) {
    out["holders"].push_back(
        {{"pid", holder.pid}, {"command", holder.command}, {"unit", holder.unit}, {"file", holder.file}});
  }
  for (const DomainUse& use : item.domains) {
    out["vms"].push_back({{"name", use.domain}, {"running", use.running}, {"cluster", use.cluster}});
  }
  return out;
}

Json node_to_json(const NumaNode& node) {
  return {{"number", node.number},
          {"cpus", node.cpus},
          {"memory_mib", node.memory_mib},
          {"hugepages_2m", node.hugepages_2m},
          {"free_hugepages_2m", node.free_hugepages_2m},
          {"hugepages_1g", node.hugepages_1g},
          {"free_hugepages_1g", node.free_hugepages_1g}};
}

}  // namespace

Json inventory_to_json(const Inventory& inventory) {
  Json out = {{"host", {{"description", inventory.description}, {"os", inventory.os}, {"kernel", inventory.kernel}}},
              {"processors",
               {{"count", inventory.processors},
                {"model", inventory.cpu.model},
                {"virtualization", inventory.cpu.has_virtualization},
                {"kvm", inventory.has_kvm},
                {"is_guest", inventory.cpu.is_guest},
                {"address_bits", or_null(inventory.address_width.cpu)}}},
              {"memory", {{"total_mib", inventory.memory_mib}, {"available_mib", inventory.available_mib}}},
              {"iommu",
               {{"table", inventory.iommu_table},
                {"groups", inventory.iommu_groups},
                {"address_bits", or_null(inventory.address_width.iommu)},
                {"interrupt_remapping", inventory.interrupt_remapping}}},
              {"libvirt", {{"answers", inventory.libvirt_answers}, {"vms", inventory.domains.size()}}},
              {"unread", inventory.unread}};
  for (const char* list : {"numa_nodes", "functions", "iommu_groups"}) out[list] = Json::array();
  for (const NumaNode& node : inventory.nodes) out["numa_nodes"].push_back(node_to_json(node));
  for (const InventoryFunction& item : inventory.functions) out["functions"].push_back(function_to_json(item));
  for (const auto& [number, members] : inventory.groups()) {
    Json addresses = Json::array();
    for (const InventoryFunction* item : members) addresses.push_back(item->function.address.to_string());
    out["iommu_groups"].push_back({{"number", number}, {"members", std::move(addresses)}});
  }
  Json partitions = Json::array();
  for (const FabricPartition& partition : inventory.partitions) {
    partitions.push_back({{"id", partition.id}, {"modules", partition.modules}, {"active", partition.active}});
  }
  out["fabric"] = {{"shared", inventory.fabric_is_shared}, {"partitions", std::move(partitions)}};
  return out;
}

}  // namespace gpuplan
