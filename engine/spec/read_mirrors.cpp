#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "spec/sections.h"

namespace gpuplan {
namespace {

constexpr std::size_t max_url = 500;
constexpr std::size_t max_host = 253;
constexpr std::size_t max_entries = 100;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "registry.lan", "registry.lan:5000"; names and IPv4 addresses alike.
bool is_host(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  if (!consists_of(name, ".-") || name.size() > max_host || name.front() == '-' || name.front() == '.' ||
      name.back() == '-' || name.back() == '.')
    return false;
  if (colon == std::string_view::npos) return true;
  const std::string_view port = text.substr(colon + 1);
  return !port.empty() && port.size() <= 5 && std::all_of(port.begin(), port.end(), is_digit);
}

// The text behind "://"; nothing if no scheme of `schemes` is in front.
std::optional<std::string_view> behind_scheme(std::string_view url, const std::vector<std::string_view>& schemes) {
  for (const std::string_view scheme : schemes) {
    if (url.substr(0, scheme.size()) == scheme) return url.substr(scheme.size());
  }
  return std::nullopt;
}

// Whether a URL may have a secret in it: a user name with or without a password, or a query with a token.
bool may_hold_secret(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t authority = scheme == std::string_view::npos ? 0 : scheme + 3;
  return url.substr(authority, url.find('/', authority) - authority).find('@') != std::string_view::npos ||
         url.find('?') != std::string_view::npos;
}

// The place without the text that stands there: what is refused for a secret in it is not repeated.
SourceLocation without_text(SourceLocation where) {
  where.file = std::make_shared<const SourceFile>(SourceFile{where.file->name, ""});
  return where;
}

// What is wrong with a URL, as the end of a sentence; empty if nothing is.
std::string url_problem(std::string_view url, const std::vector<std::string_view>& schemes) {
  const auto rest = behind_scheme(url, schemes);
  if (!rest) return fmt::format("does not begin with {}", fmt::join(schemes, " or "));
  const std::size_t slash = rest->find('/');
  if (url.size() > max_url) return fmt::format("has more than {} characters", max_url);
  if (!is_host(rest->substr(0, slash))) return "has no host name that could be looked up";
  const std::string_view path = slash == std::string_view::npos ? std::string_view() : rest->substr(slash);
  if (!path.empty() && !consists_of(path, "/._~+%-")) return "has characters that URLs of mirrors cannot have";
  return {};
}

constexpr const char* url_remedy =
    "write https://HOST/PATH of letters, digits and . _ ~ + % - without blanks and '#'";
constexpr const char* secret_remedy =
    "take it out: it would be seen in process lists and logs; let the mirror admit the nodes by their addresses";

// The URL under `key`, without slashes at its end.
void read_url(MappingDecoder& section, std::string_view key, std::string& target,
              const std::vector<std::string_view>& schemes, Diagnostics& diagnostics) {
  std::string url;
  section.string(key, url);
  const YamlNode* node = section.node(key);
  if (node == nullptr || !node->is_scalar()) return;
  if (may_hold_secret(url)) {
    diagnostics.error(without_text(node->where()),
                      fmt::format("{}: the URL has a user name, a password or a query in it", section.path(key)),
                      secret_remedy);
    return;
  }
  const std::string problem = url_problem(url, schemes);
  if (!problem.empty()) {
    diagnostics.error(node->where(), fmt::format("{}: {} {}", section.path(key), quote(url), problem), url_remedy);
    return;
  }
  while (url.back() == '/') url.pop_back();
  target = url;
}

const std::vector<std::string_view>& web() {
  static const std::vector<std::string_view> schemes = {"https://", "http://"};
  return schemes;
}

void read_urls(MappingDecoder& mirrors, std::string_view name, const std::vector<std::string_view>& keys,
               std::map<std::string, std::string>& target, const std::vector<std::string_view>& schemes,
               Diagnostics& diagnostics) {
  MappingDecoder urls = section(mirrors, name, diagnostics);
  for (const std::string_view key : keys) {
    std::string url;
    read_url(urls, key, url, schemes, diagnostics);
    if (!url.empty()) target[std::string(key)] = url;
  }
  urls.finish();
}

void read_registries(MappingDecoder& mirrors, MirrorSpec& target, Diagnostics& diagnostics) {
  const YamlNode* mapping = mirrors.node("registries");
  MappingDecoder registries = section(mirrors, "registries", diagnostics);
  if (mapping == nullptr || !registries.valid()) return;
  for (const YamlNode::Entry& entry : mapping->entries()) {
    if (!is_host(entry.key)) {
      diagnostics.error(entry.key_where,
                        fmt::format("mirrors.registries: {} is not the name of a registry", quote(entry.key)),
                        "write it as image names begin: docker.io, registry.k8s.io, nvcr.io");
    }
    read_url(registries, entry.key, target.registries[entry.key], web(), diagnostics);
    if (target.registries[entry.key].empty()) target.registries.erase(entry.key);
  }
  if (target.registries.size() > max_entries)
    diagnostics.error(mapping->where(), fmt::format("mirrors.registries has more than {} entries", max_entries),
                      "remove some");
}

// "lan" of "certs/lan.pem"; empty for a path that cannot be one of a file with such an ending.
std::string stem_of(std::string_view path, const std::vector<std::string_view>& endings) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::size_t dot = name.rfind('.');
  if (path.size() > max_url || !consists_of(path, "/._~+@ -") || dot == std::string_view::npos || dot == 0) return {};
  if (std::find(endings.begin(), endings.end(), name.substr(dot)) == endings.end()) return {};
  const std::string_view stem = name.substr(0, dot);
  return consists_of(stem, "._-") && stem.front() != '.' && stem.front() != '-' ? std::string(stem) : std::string();
}

void read_keys(MappingDecoder& mirrors, const std::vector<std::string_view>& names, MirrorSpec& target,
               Diagnostics& diagnostics) {
  MappingDecoder keys = section(mirrors, "keys", diagnostics);
  for (const std::string_view name : names) {
    SpecFile file;
    keys.string(name, file.path);
    const YamlNode* node = keys.node(name);
    if (node == nullptr || !node->is_scalar()) continue;
    file.where = node->where();
    if (stem_of(file.path, {".asc", ".key"}).empty()) {
      diagnostics.error(file.where,
                        fmt::format("{}: {} cannot be the file of a key", keys.path(name), quote(file.path)),
                        "name the armored key FILE.asc or FILE.key, of letters, digits, '.', '_' and '-'");
    } else if (target.packages.count(std::string(name)) == 0) {
      diagnostics.error(file.where, fmt::format("{} is the key of a mirror that is not there", keys.path(name)),
                        fmt::format("add mirrors.packages.{}, or remove the key", name));
    }
    target.keys.emplace(name, std::move(file));
  }
  keys.finish();
}

void read_time(MappingDecoder& mirrors, MirrorSpec& target, Diagnostics& diagnostics) {
  mirrors.string_list("time", target.time);
  const YamlNode* list = mirrors.node("time");
  if (list == nullptr) return;
  for (std::size_t i = 0; i < list->items().size(); ++i) {
    const YamlNode& item = list->items()[i];
    if (!item.is_scalar() || (is_host(item.text()) && item.text().find(':') == std::string::npos)) continue;
    diagnostics.error(
        item.where(),
        fmt::format("mirrors.time[{}]: {} is not the name or IPv4 address of a server", i, quote(item.text())),
        "write it as ntp.example.lan");
  }
}

void read_certificates(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  std::vector<std::string> paths;
  document.string_list("ca_certificates", paths);
  const YamlNode* list = document.node("ca_certificates");
  if (list == nullptr || paths.size() != list->items().size()) return;
  std::map<std::string, std::size_t> stems;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const SourceLocation where = list->items()[i].where();
    const std::string stem = stem_of(paths[i], {".pem", ".crt"});
    if (stem.empty()) {
      diagnostics.error(
          where, fmt::format("ca_certificates[{}]: {} cannot be the file of a certificate", i, quote(paths[i])),
          "name it FILE.pem or FILE.crt, of letters, digits, '.', '_' and '-'");
    } else if (const auto [other, fresh] = stems.emplace(stem, i); !fresh) {
      diagnostics.error(where,
                        fmt::format("ca_certificates[{}] would be {} on the nodes, as is ca_certificates[{}]", i,
                                    stem, other->second),
                        "rename one of the files");
    }
    spec.ca_certificates.push_back({paths[i], "", "", where});
  }
  if (paths.size() > max_entries)
    diagnostics.error(list->where(), fmt::format("ca_certificates has more than {} entries", max_entries),
                      "put them into one file");
}

}  // namespace

void read_mirrors(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  static const std::vector<std::string_view> packages = {"ubuntu", "debian", "debian-security", "kubernetes",
                                                         "nvidia"};
  MappingDecoder mirrors = section(document, "mirrors", diagnostics);
  mirrors.boolean("only", spec.mirrors.only);
  read_urls(mirrors, "packages", packages, spec.mirrors.packages, web(), diagnostics);
  read_keys(mirrors, packages, spec.mirrors, diagnostics);
  read_registries(mirrors, spec.mirrors, diagnostics);
  read_urls(mirrors, "charts", {"gpu-operator"}, spec.mirrors.charts, {"https://", "http://", "oci://"}, diagnostics);
  read_urls(mirrors, "manifests", {"calico", "flannel"}, spec.mirrors.manifests, web(), diagnostics);
  read_url(mirrors, "helm", spec.mirrors.helm, web(), diagnostics);
  read_time(mirrors, spec.mirrors, diagnostics);
  mirrors.finish();
  read_certificates(document, spec, diagnostics);
  const YamlNode* only = mirrors.node("only");
  if (spec.mirrors.only && only != nullptr) require_mirrors(spec, only->where(), diagnostics);
}

}  // namespace gpuplan
