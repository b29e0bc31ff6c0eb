// Reading of the `libvirt` section of a host file.
#pragma once

#include "host/sim/model.h"
#include "yaml/decode.h"

namespace gpuplan::sim {

void decode_libvirt(MappingDecoder& document, Model& model, Diagnostics& diagnostics);

// Calls visit(item, "PATH[2]") for every item of the list under `key`, if there is one.
template <class Visit>
void each_item(MappingDecoder& mapping, std::string_view key, Diagnostics& diagnostics, Visit visit) {
  const YamlNode* list = mapping.node(key);
  if (list == nullptr) return;
  if (!list->is_sequence() && !list->is_mapping()) {
    diagnostics.error(list->where(), mapping.path(key) + " must be a list");
    return;
  }
  if (list->is_mapping()) {
    diagnostics.error(list->where(), mapping.path(key) + " must be a list, not a mapping");
    return;
  }
  std::size_t index = 0;
  for (const YamlNode& item : list->items()) visit(item, mapping.path(key) + "[" + std::to_string(index++) + "]");
}

}  // namespace gpuplan::sim
