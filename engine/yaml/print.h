// YAML trees as text.
#pragma once

#include <string>

#include "yaml/node.h"

namespace gpuplan {

// Prints a document in block style that says the same to every reader of YAML 1.1 and 1.2: plain scalars stay plain,
// so that they keep their type, quoted ones become double-quoted. Keys keep their order; comments and the style of
// the original are lost. Ends with a newline. Thread-safe.
std::string print_yaml(const YamlNode& root);

}  // namespace gpuplan
