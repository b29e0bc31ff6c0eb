// Free-form YAML, such as Helm values, as JSON. Internal to this folder.
#pragma once

#include <string>

#include "report/diagnostic.h"
#include "yaml/node.h"

namespace gpuplan {

// Canonical JSON: keys sorted, no blanks. Plain scalars have the types of YAML 1.2's core schema
// (null, true/false, decimal numbers, else text); quoted ones are text. Numbers that 64 bits cannot
// hold are errors.
std::string values_to_json(const YamlNode& node, Diagnostics& diagnostics);

}  // namespace gpuplan
