// The model as YAML: the format of host files and of current models. specs/hosts/README.md describes it.
#pragma once

#include <optional>
#include <string>

#include "host/sim/model.h"
#include "yaml/node.h"

namespace gpuplan::sim {

// Reads a host file. Problems are added to `diagnostics` at their place; the result is then empty.
std::optional<Model> decode_model(const YamlNode& document, Diagnostics& diagnostics);

// A document that decode_model reads back as an equal model. Values that are defaults are left out.
std::string encode_model(const Model& model);

// "16M 64bit prefetchable"
std::optional<Bar> parse_bar(int index, const std::string& text);
std::string format_bar(const Bar& bar);

std::string format_class(std::uint32_t class_code);  // "0x030200"
// "10de:2330". Nothing if malformed.
std::optional<PciId> read_pci_id(const std::string& text);

}  // namespace gpuplan::sim
