#include "host/xml/storage_xml.h"

#include <sstream>

#include "host/xml/owner_xml.h"

namespace gpuplan {
namespace {

using xml::add_text;

void add_format(pugi::xml_node parent, const std::string& format) {
  parent.append_child("format").append_attribute("type").set_value(format.c_str());
}

std::string written(const pugi::xml_document& document) {
  std::ostringstream out;
  document.save(out, "  ", pugi::format_default | pugi::format_no_declaration);
  return out.str();
}

}  // namespace

std::string render_pool(const std::string& name, const std::string& directory) {
  pugi::xml_document document;
  pugi::xml_node pool = document.append_child("pool");
  pool.append_attribute("type").set_value("dir");
  add_text(pool, "name", name);
  add_text(pool.append_child("target"), "path", directory);
  return written(document);
}

std::optional<std::string> parse_pool_path(std::string_view xml) {
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size())) return std::nullopt;
  const pugi::xml_node pool = document.child("pool");
  if (!pool) return std::nullopt;
  return pool.child("target").child("path").text().get();
}

std::string render_volume(const VolumeDefinition& definition) {
  pugi::xml_document document;
  pugi::xml_node volume = document.append_child("volume");
  add_text(volume, "name", definition.name);
  pugi::xml_node capacity = volume.append_child("capacity");
  capacity.append_attribute("unit").set_value("bytes");
  capacity.text().set(static_cast<long long>(definition.capacity_bytes));
  add_format(volume.append_child("target"), definition.format);
  if (!definition.backing_path.empty()) {
    pugi::xml_node backing = volume.append_child("backingStore");
    add_text(backing, "path", definition.backing_path);
    // Always named: a format that is guessed from a guest's own bytes lets it read the host's files.
    add_format(backing, definition.backing_format);
  }
  return written(document);
}

std::optional<VolumeDefinition> parse_volume(std::string_view xml) {
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size())) return std::nullopt;
  const pugi::xml_node volume = document.child("volume");
  if (!volume) return std::nullopt;
  VolumeDefinition definition;
  definition.name = volume.child("name").text().get();
  definition.capacity_bytes = volume.child("capacity").text().as_llong();
  definition.format = volume.child("target").child("format").attribute("type").value();
  definition.backing_path = volume.child("backingStore").child("path").text().get();
  definition.backing_format = volume.child("backingStore").child("format").attribute("type").value();
  return definition;
}

}  // namespace gpuplan
