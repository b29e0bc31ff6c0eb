// Reading of the `pci` list of a host file.
#pragma once

#include "host/sim/model.h"
#include "yaml/node.h"

namespace gpuplan::sim {

// Reads one item of the list. Problems are added to `diagnostics`; what could be read is returned.
Device decode_device(const YamlNode& node, const std::string& path, Diagnostics& diagnostics);

}  // namespace gpuplan::sim
