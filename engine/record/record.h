// A host as the document of a simulated one: a twin to plan on elsewhere, and to attach to a report.
#pragma once

#include <string>

#include "inventory/inventory.h"

namespace gpuplan {

// Reads what the model of a simulated host has (specs/hosts/README.md) through the ports, beside what the
// inventory of that host says already. The same plan comes out on the twin as on the host, except for what no model
// has. Left out or replaced: the machine-id, the host's name, serial numbers and UUIDs, MAC addresses, public IP
// addresses, kernel parameters that have nothing to do with passthrough, and of processes everything but their
// name, unit and open device files.
// Throws HostError, also if what was read does not make a valid model. Changes nothing.
std::string record_host(HostReader& host, const Inventory& inventory);

}  // namespace gpuplan
