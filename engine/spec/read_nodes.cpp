#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "spec/sections.h"

// What Kubernetes takes for names of labels and taints:
// https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
// https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/

namespace gpuplan {
namespace {

constexpr std::size_t max_name = 63;
constexpr std::size_t max_prefix = 253;

bool is_alphanumeric(char c) { return consists_of(std::string_view(&c, 1), ""); }

// The name part of a key, and every value that is not empty.
bool is_name(std::string_view text) {
  return text.size() <= max_name && consists_of(text, "-_.") && is_alphanumeric(text.front()) &&
         is_alphanumeric(text.back());
}

// A DNS subdomain (RFC 1123), whose parts Kubernetes does not bound by themselves.
bool is_subdomain(std::string_view text) {
  if (text.empty() || text.size() > max_prefix) return false;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    if (!consists_of(part, "-") || part.front() == '-' || part.back() == '-') return false;
    begin = end + 1;
  }
  return std::none_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool is_key(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_name(text);
  return is_subdomain(text.substr(0, slash)) && is_name(text.substr(slash + 1));
}

constexpr const char* key_remedy = "write NAME or DOMAIN/NAME, for example tier or example.com/tier";
constexpr const char* value_remedy =
    "write at most 63 letters, digits, '-', '_', '.', with a letter or digit at both ends, or \"\" for none";

// Labels that somebody else sets: whatever the spec said would not last.
std::string owner_of_label(std::string_view key) {
  constexpr std::array<std::string_view, 5> of_kubelet = {"kubernetes.io/hostname", "kubernetes.io/os",
                                                          "kubernetes.io/arch", "beta.kubernetes.io/os",
                                                          "beta.kubernetes.io/arch"};
  if (std::find(of_kubelet.begin(), of_kubelet.end(), key) != of_kubelet.end()) return "the kubelet";
  return key.substr(0, key.find('/') + 1) == "gpuplan.io/" ? "gpuplan" : "";
}

void read_labels(MappingDecoder& node, WorkerSpec& worker, Diagnostics& diagnostics) {
  const YamlNode* mapping = node.node("labels");
  MappingDecoder labels = section(node, "labels", diagnostics);
  if (mapping == nullptr || !labels.valid()) return;
  for (const YamlNode::Entry& entry : mapping->entries()) {
    const std::string owner = owner_of_label(entry.key);
    if (!is_key(entry.key)) {
      diagnostics.error(entry.key_where,
                        fmt::format("{}: {} is not the key of a label", node.path("labels"), quote(entry.key)), key_remedy);
    } else if (!owner.empty()) {
      diagnostics.error(entry.key_where, fmt::format("{}: the label {} is set by {} itself", node.path("labels"), entry.key, owner),
                        "remove it, or choose another key");
    }
    const std::string what = labels.path(entry.key);
    if (entry.value.is_null()) {
      diagnostics.error(entry.value.where(), fmt::format("{} has no value", what), "write \"\" for a label without one");
      continue;
    }
    const auto value = decode_string(entry.value, what, diagnostics);
    if (value && !value->empty() && !is_name(*value)) {
      diagnostics.error(entry.value.where(), fmt::format("{}: {} is not the value of a label", what, quote(*value)), value_remedy);
    }
    if (value) worker.labels.emplace(entry.key, *value);
  }
}

// The place of `key` in `mapping`, or if it is not there that of the mapping.
const SourceLocation& place_of(const YamlNode& mapping, std::string_view key) {
  const YamlNode* member = mapping.find(key);
  return member == nullptr ? mapping.where() : member->where();
}

NodeTaint read_taint(const YamlNode& node, const std::string& what, Diagnostics& diagnostics) {
  NodeTaint taint;
  MappingDecoder entry(node, what, diagnostics);
  if (!entry.valid()) return taint;
  entry.string("key", taint.key);
  entry.string("value", taint.value);
  entry.choice("effect", taint.effect, {"NoSchedule", "PreferNoSchedule", "NoExecute"});
  for (const char* needed : {"key", "effect"}) {
    if (entry.node(needed) != nullptr) continue;
    diagnostics.error(place_of(node, needed), fmt::format("{} has no {}", what, needed),
                      "write {key: nvidia.com/gpu, effect: NoSchedule}");
  }
  const YamlNode* key = entry.node("key");
  if (key != nullptr && key->is_scalar() && !is_key(taint.key)) {
    diagnostics.error(key->where(), fmt::format("{}: {} is not the key of a taint", entry.path("key"), quote(taint.key)), key_remedy);
  } else if (taint.key.substr(0, taint.key.find('/') + 1) == "node.kubernetes.io/") {
    diagnostics.error(key->where(), fmt::format("{}: the taint {} is set by Kubernetes itself", entry.path("key"), quote(taint.key)),
                      "choose another key");
  }
  const YamlNode* value = entry.node("value");
  if (value != nullptr && value->is_scalar() && !taint.value.empty() && !is_name(taint.value)) {
    diagnostics.error(value->where(), fmt::format("{}: {} is not the value of a taint", entry.path("value"), quote(taint.value)),
                      value_remedy);
  }
  entry.finish();
  return taint;
}

void read_taints(MappingDecoder& node, WorkerSpec& worker, Diagnostics& diagnostics) {
  const YamlNode* list = node.node("taints");
  if (list == nullptr) return;
  if (!list->is_sequence()) {
    const std::string found = list->is_scalar() ? quote(list->text()) : std::string(describe(list->kind()));
    diagnostics.error(list->where(), fmt::format("{} must be a list, not {}", node.path("taints"), found),
                      "write [{key: nvidia.com/gpu, effect: NoSchedule}]");
    return;
  }
  std::set<std::pair<std::string, std::string>> seen;
  for (std::size_t i = 0; i < list->items().size(); ++i) {
    const std::string what = fmt::format("{}[{}]", node.path("taints"), i);
    NodeTaint taint = read_taint(list->items()[i], what, diagnostics);
    if (taint.key.empty() || taint.effect.empty()) continue;
    if (!seen.emplace(taint.key, taint.effect).second) {
      diagnostics.error(list->items()[i].where(),
                        fmt::format("{}: {} has the taint {}:{} already", what, worker.key, shorten(taint.key), taint.effect),
                        "a node has each key once for an effect: remove one of them");
      continue;
    }
    worker.taints.push_back(std::move(taint));
  }
}

}  // namespace

void read_nodes(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  MappingDecoder nodes = section(document, "nodes", diagnostics);
  check_worker_keys(nodes, document.node("nodes"), document, diagnostics, "");
  for (WorkerSpec& worker : spec.workers) {
    if (nodes.node(worker.key) == nullptr) continue;
    MappingDecoder own = section(nodes, worker.key, diagnostics);
    if (!own.valid()) continue;
    read_labels(own, worker, diagnostics);
    read_taints(own, worker, diagnostics);
    own.finish();
  }
}

}  // namespace gpuplan
