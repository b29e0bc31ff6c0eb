// An inventory as a table, as a tree and as JSON. Thread-safe.
#pragma once

#include <string>

#include "inventory/inventory.h"
#include "json/json.h"

namespace gpuplan {

// Tables: the machine, its NUMA nodes, GPUs, NVSwitches, Fabric Manager's partitions, IOMMU groups. With `all`,
// every IOMMU group and not only those with a GPU or an NVSwitch.
std::string print_inventory(const Inventory& inventory, bool all);
// GPUs, NVSwitches, network and storage controllers by NUMA node, host bridge and root port; with `all`,
// every function.
std::string print_inventory_tree(const Inventory& inventory, bool all);
// Everything; documented in docs/output.schema.json, definition "inventory".
Json inventory_to_json(const Inventory& inventory);

// "python3 (pid 4242, unit jupyter.service)"
std::string describe(const DeviceHolder& holder);
// Who uses a function, as a list: holders, VMs, the boot display. Empty: nobody is known to.
std::string users_of(const InventoryFunction& item);

}  // namespace gpuplan
