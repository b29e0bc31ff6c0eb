#include "spec/spec.h"

#include <fmt/format.h>

#include <algorithm>

namespace gpuplan {
namespace {

// The index in "[N]"; nothing if `text` does not begin so. Takes it off the front.
std::optional<std::size_t> take_index(std::string_view& text) {
  const std::size_t end = text.find(']');
  if (text.empty() || text.front() != '[' || end == std::string_view::npos || end > 7) return std::nullopt;
  std::size_t index = 0;
  for (const char c : text.substr(1, end - 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    index = index * 10 + static_cast<std::size_t>(c - '0');
  }
  text.remove_prefix(end + 1);
  return index;
}

const YamlNode* step_into(const YamlNode& node, std::string_view& path, SourceLocation& where) {
  if (path.front() == '[') {
    const auto index = take_index(path);
    if (!index || *index >= node.items().size()) return nullptr;
    where = node.items()[*index].where();
    return &node.items()[*index];
  }
  if (path.front() == '.') path.remove_prefix(1);
  const std::string_view key = path.substr(0, path.find_first_of(".["));
  path.remove_prefix(key.size());
  for (const YamlNode::Entry& entry : node.entries()) {
    if (entry.key != key) continue;
    where = entry.value.is_scalar() ? entry.value.where() : entry.key_where;
    return &entry.value;
  }
  return nullptr;
}

}  // namespace

std::string PciId::to_string() const { return fmt::format("{:04x}:{:04x}", vendor, device); }

std::string NodeTaint::to_string() const {
  return fmt::format("{}{}{}:{}", key, value.empty() ? "" : "=", value, effect);
}

bool has_gpus(const Spec& spec) {
  return std::any_of(spec.workers.begin(), spec.workers.end(),
                     [](const WorkerSpec& worker) { return worker.gpu_count() > 0; });
}

bool has_vms(const Spec& spec) {
  return !spec.control_plane.machine || std::any_of(spec.workers.begin(), spec.workers.end(),
                                                    [](const WorkerSpec& worker) { return !worker.machine; });
}

bool seed_has_packages(const Spec& spec) { return !spec.mirrors.only && !spec.mirrors.has_distribution(); }

SourceLocation locate(const Spec& spec, std::string_view path) {
  SourceLocation document;
  document.file = spec.file;
  if (!spec.file) return document;
  SourceLocation where = document;
  const YamlNode* node = &spec.document;
  while (!path.empty()) {
    node = step_into(*node, path, where);
    if (node == nullptr) return document;
  }
  return where;
}

}  // namespace gpuplan
