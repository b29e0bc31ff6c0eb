// YAML files on a simulated guest's disk, read as its programs read them.
#pragma once

#include <string>
#include <vector>

#include "json/json.h"
#include "yaml/node.h"

namespace gpuplan::sim {

// Every document of `text` ("---" between them) as JSON; plain scalars become null, booleans and
// numbers as in YAML's core schema. On a syntax error the result is empty and `error` says what is wrong.
std::vector<Json> read_yaml_documents(const std::string& text, std::string& error);

Json json_from_yaml(const YamlNode& node);

}  // namespace gpuplan::sim
