#include "host/xml/owner_xml.h"

#include <sstream>
#include <string_view>

namespace gpuplan::xml {
namespace {

// The namespace that `node`'s prefix is bound to, looked up as XML 1.0 namespaces say.
std::string_view namespace_of(pugi::xml_node node) {
  const std::string_view name = node.name();
  const std::size_t colon = name.find(':');
  const std::string declaration =
      colon == std::string_view::npos ? "xmlns" : "xmlns:" + std::string(name.substr(0, colon));
  for (; node; node = node.parent()) {
    if (const pugi::xml_attribute bound = node.attribute(declaration.c_str())) return bound.value();
  }
  return {};
}

std::string_view local_name(pugi::xml_node node) {
  const std::string_view name = node.name();
  const std::size_t colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

}  // namespace

pugi::xml_node add_owner(pugi::xml_node root, const OwnerMark& owner) {
  if (owner.cluster.empty()) return {};
  pugi::xml_node mark = add(add(root, "metadata"), owner_element);
  set(mark, "xmlns:gpuplan", std::string(owner_namespace));
  set(mark, "cluster", owner.cluster);
  return mark;
}

pugi::xml_node find_owner(pugi::xml_node root) {
  for (const pugi::xml_node child : root.child("metadata").children()) {
    if (local_name(child) == "owner" && namespace_of(child) == owner_namespace) return child;
  }
  return {};
}

OwnerMark read_owner(pugi::xml_node root) { return OwnerMark{find_owner(root).attribute("cluster").value()}; }

std::string print(const pugi::xml_document& document) {
  std::ostringstream out;
  document.save(out, "  ", pugi::format_default | pugi::format_no_declaration);
  return out.str();
}

pugi::xml_node add(pugi::xml_node parent, const char* name) { return parent.append_child(name); }

pugi::xml_node add_text(pugi::xml_node parent, const char* name, const std::string& text) {
  pugi::xml_node node = add(parent, name);
  node.text().set(text.c_str());
  return node;
}

void set(pugi::xml_node node, const char* name, const std::string& value) {
  node.append_attribute(name).set_value(value.c_str());
}

}  // namespace gpuplan::xml
