#include "spec/read_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "digest/digest.h"
#include "spec/sections.h"
#include "spec/supported_versions.h"
#include "yaml/parse.h"

namespace gpuplan {
namespace {

// Nobody mends more than this in one go.
constexpr std::size_t max_reported = 100;
constexpr std::size_t max_extensions = 100;
constexpr std::size_t max_values = 50'000;

void read_cluster(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  document.string("cluster", spec.cluster);
  spec.control_plane.name = spec.cluster + "-control-plane";
  const YamlNode* node = document.node("cluster");
  if (node == nullptr || !node->is_scalar()) return;
  if (!is_dns_label(spec.cluster)) {
    diagnostics.error(node->where(), fmt::format("cluster: {} is not a DNS label", quote(spec.cluster)),
                      label_remedy(spec.cluster));
  } else if (!is_dns_label(spec.control_plane.name)) {
    diagnostics.error(node->where(),
                      fmt::format("cluster: the node name {} has {} characters; 63 is the most",
                                  quote(spec.control_plane.name), spec.control_plane.name.size()),
                      "choose a shorter name");
  }
}

void read_extensions(const YamlNode& root, MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  for (const YamlNode::Entry& entry : root.entries()) {
    if (entry.key.substr(0, 2) != "x-") continue;
    document.node(entry.key);
    if (spec.extensions.size() >= max_extensions) {
      diagnostics.error(entry.key_where, fmt::format("more than {} sections x-NAME", max_extensions),
                        "remove those that no module reads");
      return;
    }
    const std::string kind = entry.key.substr(2);
    if (!is_dns_label(kind)) {
      diagnostics.error(entry.key_where, fmt::format("{} cannot name a step kind", quote(entry.key)),
                        "write x-NAME with a NAME of a-z, 0-9 and dashes");
      continue;
    }
    spec.extensions.emplace(kind, entry.value);
  }
}

void read_document(const YamlNode& root, Spec& spec, Diagnostics& diagnostics) {
  MappingDecoder document(root, "", diagnostics);
  if (!document.valid()) return;
  read_cluster(document, spec, diagnostics);
  read_gpus(document, spec, diagnostics);
  read_workers(document, spec, diagnostics);
  read_nodes(document, spec, diagnostics);
  read_vm_resources(document, spec, diagnostics);
  read_host(document, spec, diagnostics);
  read_networks(document, spec, diagnostics);
  read_image(document, spec, diagnostics);
  read_storage(document, spec, diagnostics);
  read_gpu_operator(document, spec, diagnostics);
  read_mirrors(document, spec, diagnostics);
  read_timeouts(document, spec, diagnostics);
  document.choice("on_failure", spec.on_failure, {"keep", "rollback"});
  document.boolean("verify", spec.verify);
  read_extensions(root, document, spec, diagnostics);
  document.finish();
  if (!diagnostics.has_errors()) refuse_without_calico(spec, diagnostics);
  if (!diagnostics.has_errors()) warn_of_missing_packages(spec, diagnostics);
  if (!diagnostics.has_errors()) warn_of_unsupported_versions(spec, diagnostics);
}

std::tuple<std::size_t, std::size_t> position(const Diagnostic& diagnostic) {
  if (!diagnostic.where) return {0, 0};
  return {diagnostic.where->line, diagnostic.where->column};
}

void hand_over(const Diagnostics& found, Diagnostics& diagnostics) {
  std::vector<Diagnostic> sorted = found.items();
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Diagnostic& a, const Diagnostic& b) { return position(a) < position(b); });
  // An error must survive the cut, or the caller would see a failure without a reason.
  const std::size_t kept = std::min(sorted.size(), max_reported);
  bool error_kept = false;
  for (std::size_t i = 0; i < kept; ++i) error_kept = error_kept || sorted[i].severity == Severity::error;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const bool first_error = !error_kept && sorted[i].severity == Severity::error;
    if (i >= kept && !first_error) continue;
    error_kept = error_kept || first_error;
    diagnostics.add(std::move(sorted[i]));
  }
  if (sorted.size() <= kept) return;
  diagnostics.add({Severity::note,
                   fmt::format("{} more problems are not shown", sorted.size() - kept),
                   {},
                   "mend the ones above first",
                   {},
                   std::nullopt});
}

}  // namespace

MappingDecoder section(MappingDecoder& document, std::string_view key, Diagnostics& diagnostics) {
  const YamlNode* node = document.node(key);
  return {node == nullptr ? YamlNode() : *node, document.path(key), diagnostics};
}

bool consists_of(std::string_view text, std::string_view others) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.find(c) != std::string_view::npos;
  });
}

bool is_dns_label(std::string_view text) {
  constexpr std::size_t max_label = 63;
  if (text.size() > max_label || !consists_of(text, "-") || text.front() == '-' || text.back() == '-') return false;
  return std::none_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

std::string label_remedy(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  std::replace(lower.begin(), lower.end(), '_', '-');
  if (is_dns_label(lower)) return fmt::format("did you mean {}?", quote(lower));
  return "use a-z, 0-9 and dashes, with a letter or digit at both ends";
}

namespace {

// `path`: where its files lie beside; empty: they are not read.
std::optional<Spec> read(std::shared_ptr<const SourceFile> file, const std::string& path, Diagnostics& diagnostics) {
  Diagnostics found;
  Spec spec;
  spec.file = file;
  spec.sha256 = sha256_hex(file->text);
  YamlLimits limits;
  limits.max_nodes = max_values;
  const YamlNode root = parse_yaml(file, found, limits);
  spec.document = root;
  if (!root.is_null()) {
    read_document(root, spec, found);
  } else if (!found.has_errors()) {
    found.error({file, 1, 1, 1}, "the spec is empty", "start from specs/minimal.yaml");
  }
  if (!path.empty()) read_files(spec, path, found);
  hand_over(found, diagnostics);
  if (found.has_errors()) return std::nullopt;
  return spec;
}

}  // namespace

std::optional<Spec> read_spec(std::shared_ptr<const SourceFile> file, Diagnostics& diagnostics) {
  return read(std::move(file), "", diagnostics);
}

std::optional<Spec> read_spec_file(const std::string& path, Diagnostics& diagnostics) {
  const auto file = read_source_file(path, diagnostics);
  if (!file) return std::nullopt;
  return read(file, path, diagnostics);
}

}  // namespace gpuplan
