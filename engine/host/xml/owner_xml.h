// The owner mark in a libvirt document. For this folder only.
#pragma once

#include <pugixml.hpp>
#include <string>

#include "host/xml/domain_xml.h"

namespace gpuplan::xml {

inline constexpr const char* owner_element = "gpuplan:owner";

// Adds <metadata> with the mark to `root`, unless the cluster is empty. Returns the mark's element.
pugi::xml_node add_owner(pugi::xml_node root, const OwnerMark& owner);
// The mark's element below <metadata>, whatever prefix libvirt kept; a null node if there is none.
pugi::xml_node find_owner(pugi::xml_node root);
OwnerMark read_owner(pugi::xml_node root);

// `document` as indented text, without an XML declaration, ending with a newline.
std::string print(const pugi::xml_document& document);
pugi::xml_node add(pugi::xml_node parent, const char* name);
pugi::xml_node add_text(pugi::xml_node parent, const char* name, const std::string& text);
void set(pugi::xml_node node, const char* name, const std::string& value);

}  // namespace gpuplan::xml
