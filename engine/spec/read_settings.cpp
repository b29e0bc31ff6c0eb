#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "spec/libvirt_uri.h"
#include "spec/sections.h"
#include "spec/values.h"

namespace gpuplan {
namespace {

bool starts_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

// An absolute path without "." or ".." parts, blanks at the ends or control characters.
bool is_clean_path(std::string_view text) {
  if (text.size() < 2 || text.front() != '/' || text.size() > 4000) return false;
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
    return false;
  const std::string parts = std::string(text) + '/';
  return parts.find("/../") == std::string::npos && parts.find("/./") == std::string::npos;
}

// Reports a text at `key` that is there and wrong.
void reject(MappingDecoder& section, std::string_view key, bool good, std::string_view wanted, std::string remedy,
            Diagnostics& diagnostics) {
  const YamlNode* node = section.node(key);
  if (good || node == nullptr || !node->is_scalar()) return;
  diagnostics.error(node->where(),
                    fmt::format("{} must be {}, not {}", section.path(key), wanted, quote(node->text())),
                    std::move(remedy));
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c); });
}

}  // namespace

void read_host(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  MappingDecoder host = section(document, "host", diagnostics);
  host.string("libvirt_uri", spec.host.libvirt_uri);
  reject(host, "libvirt_uri", is_local_libvirt(spec.host.libvirt_uri), "the URI of a local libvirt",
         std::string(local_libvirt_remedy), diagnostics);
  host.choice("accel", spec.host.accel, {"kvm", "tcg"});
  host.string_list("stop_services", spec.host.stop_services);
  if (const YamlNode* services = host.node("stop_services")) {
    for (std::size_t i = 0; i < services->items().size(); ++i) {
      const YamlNode& item = services->items()[i];
      if (!item.is_scalar() || (consists_of(item.text(), ":_.\\@-") && item.text().front() != '-')) continue;
      diagnostics.error(item.where(),
                        fmt::format("host.stop_services[{}]: {} cannot be a systemd unit", i, quote(item.text())),
                        "write it as systemctl shows it: nvidia-persistenced.service");
    }
  }
  read_size(host, {"memory_reserve", "MiB", 0, max_memory_mib}, spec.host.memory_reserve_mib, diagnostics);
  host.boolean("persist_bindings", spec.host.persist_bindings);
  host.boolean("configure_boot", spec.host.configure_boot);
  host.finish();
}

void read_image(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  MappingDecoder image = section(document, "image", diagnostics);
  image.string("url", spec.image.url);
  image.string("path", spec.image.path);
  image.string("sha256", spec.image.sha256);
  reject(image, "url", starts_with(spec.image.url, "https://") || starts_with(spec.image.url, "http://"),
         "an http or https URL", "a file on this host goes under image.path", diagnostics);
  reject(image, "path", is_clean_path(spec.image.path), "an absolute path", "begin it with / and leave out ..",
         diagnostics);
  reject(image, "sha256", is_sha256(spec.image.sha256), "64 hexadecimal digits", "print it with: sha256sum FILE",
         diagnostics);
  std::transform(spec.image.sha256.begin(), spec.image.sha256.end(), spec.image.sha256.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const YamlNode* url = image.node("url");
  const YamlNode* path = image.node("path");
  if (url != nullptr && path != nullptr) {
    diagnostics.error(path->where(), "image has both url and path", "keep one of them");
  }
  // The default is exempt: it changes with every update of the vendor's, and comes over TLS from its
  // own host. Who names an image of their own knows, or can know, what is in it.
  if (url != nullptr && path == nullptr && image.node("sha256") == nullptr) {
    diagnostics.warning(url->where(), "image.url without image.sha256: whatever is there will be booted",
                        "add sha256: with what sha256sum prints for the image");
  }
  if (url == nullptr && path != nullptr) spec.image.url.clear();
  image.finish();
}

void read_storage(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  MappingDecoder storage = section(document, "storage", diagnostics);
  storage.string("pool", spec.storage.pool);
  storage.string("path", spec.storage.path);
  reject(storage, "pool", consists_of(spec.storage.pool, "-_.") && spec.storage.pool.front() != '-',
         "a name of letters, digits, '-', '_' and '.'", "for example gpuplan", diagnostics);
  reject(storage, "path", is_clean_path(spec.storage.path), "an absolute path", "begin it with / and leave out ..",
         diagnostics);
  storage.finish();
}

void read_gpu_operator(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  MappingDecoder chart = section(document, "gpu_operator", diagnostics);
  chart.boolean("enabled", spec.gpu_operator.enabled);
  chart.string("version", spec.gpu_operator.version);
  reject(chart, "version", consists_of(spec.gpu_operator.version, ".+-") && spec.gpu_operator.version.front() != '-',
         "a chart version", "for example v26.3.2", diagnostics);
  chart.choice("driver", spec.gpu_operator.driver, {"preinstalled", "operator"});
  chart.boolean("remove_crds", spec.gpu_operator.remove_crds);
  if (const YamlNode* values = chart.node("values")) {
    if (values->is_mapping()) {
      spec.gpu_operator.values_json = values_to_json(*values, diagnostics);
    } else {
      MappingDecoder(*values, chart.path("values"), diagnostics).finish();
    }
    const YamlNode* driver = values->find("driver");
    const YamlNode* enabled = driver == nullptr ? nullptr : driver->find("enabled");
    if (enabled != nullptr) {
      diagnostics.error(enabled->where(), "gpu_operator.values must not set driver.enabled",
                        "set gpu_operator.driver: preinstalled or operator");
    }
  }
  chart.finish();
}

void read_timeouts(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  MappingDecoder timeouts = section(document, "timeouts", diagnostics);
  constexpr std::int64_t day = 86'400;
  const auto read = [&](std::string_view key, std::int64_t& target) { timeouts.duration(key, target, 1, day); };
  read("guest_boot", spec.timeouts.guest_boot);
  read("ssh", spec.timeouts.ssh);
  read("kubeadm", spec.timeouts.kubeadm);
  read("node_ready", spec.timeouts.node_ready);
  read("operator", spec.timeouts.operator_ready);
  read("unbind", spec.timeouts.unbind);
  read("verify", spec.timeouts.verify);
  timeouts.finish();
}

}  // namespace gpuplan
