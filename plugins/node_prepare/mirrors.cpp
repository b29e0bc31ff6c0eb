#include "mirrors.h"

#include <fmt/format.h>

#include <algorithm>

namespace gpuplan::node_prepare {
namespace {

using cluster::Guest;
using cluster::GuestScript;
using cluster::GuestView;
using Texts = std::vector<std::string>;

// scripts/guest/mirrors.sh finds the files there.
constexpr const char* files_path = "/var/lib/gpuplan/mirrors/";
constexpr const char* certificates_prefix = "ca_certificates.";
constexpr const char* keys_prefix = "keys.";
constexpr std::chrono::seconds show_limit{60};

// "lan" of "certs/lan.pem": what the file is called on the nodes.
std::string stem_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  return name.substr(0, name.rfind('.'));
}

bool starts_with(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

// Both attributes in the script's own form, in which certificates have their prefix.
Texts entries_of(const Attributes& declared) {
  Texts entries = declared.list("mirrors");
  for (const std::string& certificate : declared.list("ca_certificates"))
    entries.push_back(certificates_prefix + certificate);
  return entries;
}

bool has_file(const std::string& entry) {
  return starts_with(entry, keys_prefix) || starts_with(entry, certificates_prefix);
}

std::string path_of(const std::string& entry) { return files_path + entry.substr(0, entry.find('=')); }

GuestScript script(const Texts& entries, const std::string& version) {
  const std::string minor = version.substr(0, version.find('.', version.find('.') + 1));
  return {"mirrors",
          "setting up mirrors",
          {"--kubernetes", minor, "--entries", fmt::format("{}", fmt::join(entries, ","))},
          {}};
}

// What the guest really has, entry by entry.
Texts shown(GuestView& guest) {
  GuestScript show = script({}, "1.0");
  show.arguments = {"--show", "yes"};
  const Command command = cluster::command_of(show, false, show_limit);
  const CommandResult result = guest.query(command);
  if (!result.ok()) throw cluster::guest_failure(guest.target().node, {"mirrors.sh", "--show"}, result);
  Texts entries;
  std::size_t begin = 0;
  for (std::size_t end = result.output.find('\n'); end != std::string::npos; end = result.output.find('\n', begin)) {
    if (end > begin) entries.push_back(result.output.substr(begin, end - begin));
    begin = end + 1;
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

}  // namespace

bool has_mirrors(const Attributes& attributes) {
  return attributes.find("mirrors") != nullptr || attributes.find("ca_certificates") != nullptr;
}

void declare_mirrors(Attributes& declared, const Spec& spec, bool is_worker) {
  const MirrorSpec& from = spec.mirrors;
  Texts mirrors, certificates;
  for (const auto& [name, url] : from.packages) {
    if (name == "nvidia" && (!is_worker || spec.gpu_operator.driver != "preinstalled")) continue;
    mirrors.push_back(fmt::format("packages.{}={}", name, url));
    const auto key = from.keys.find(name);
    if (key != from.keys.end())
      mirrors.push_back(fmt::format("{}{}=sha256:{}", keys_prefix, name, key->second.sha256));
  }
  for (const auto& [name, url] : from.registries) mirrors.push_back(fmt::format("registries.{}={}", name, url));
  if (!from.time.empty()) mirrors.push_back(fmt::format("time={}", fmt::join(from.time, " ")));
  for (const SpecFile& file : spec.ca_certificates)
    certificates.push_back(fmt::format("{}=sha256:{}", stem_of(file.path), file.sha256));
  std::sort(mirrors.begin(), mirrors.end());
  std::sort(certificates.begin(), certificates.end());
  if (!mirrors.empty()) declared.set("mirrors", mirrors);
  if (!certificates.empty()) declared.set("ca_certificates", certificates);
}

void expect_no_forgotten_mirrors(Attributes& declared, const Prior& prior) {
  for (const char* name : {"mirrors", "ca_certificates"}) {
    if (declared.find(name) == nullptr && !prior.declared.list(name).empty()) declared.set(name, Texts());
  }
}

Attributes declared_by(const Change& change) {
  Attributes declared = change.resource.declared;
  for (const AttributeChange& attribute : change.attributes) {
    if (attribute.name == "mirrors" || attribute.name == "ca_certificates") declared.set(attribute.name, attribute.after);
  }
  return declared;
}

void observe_mirrors(Observation& observed, const Attributes& declared, const Prior& prior, GuestView& guest) {
  if (!has_mirrors(declared) && !has_mirrors(prior.declared)) return;
  Texts mirrors, certificates;
  for (const std::string& entry : shown(guest)) {
    if (starts_with(entry, certificates_prefix))
      certificates.push_back(entry.substr(std::string(certificates_prefix).size()));
    else
      mirrors.push_back(entry);
  }
  const auto set = [&](const char* name, const Texts& texts, const char* where) {
    if (declared.find(name) == nullptr && prior.declared.find(name) == nullptr) return;
    observed.attributes.set(name, texts);
    observed.read_from[name] = fmt::format("{} of {}", where, guest.target().node);
  };
  set("mirrors", mirrors, "package sources, /etc/containerd/certs.d and time servers");
  set("ca_certificates", certificates, "trust store");
}

std::optional<GuestScript> mirrors_script(const Attributes& declared, const Spec& spec) {
  if (!has_mirrors(declared)) return std::nullopt;
  const Texts entries = entries_of(declared);
  GuestScript out = script(entries, spec.kubernetes.version);
  const auto put = [&](const std::string& entry, const SpecFile& file) {
    if (std::find(entries.begin(), entries.end(), fmt::format("{}=sha256:{}", entry, file.sha256)) != entries.end())
      out.files[files_path + entry] = file.content;
  };
  for (const auto& [name, file] : spec.mirrors.keys) put(keys_prefix + name, file);
  for (const SpecFile& file : spec.ca_certificates) put(certificates_prefix + stem_of(file.path), file);
  return out;
}

Json capture_mirrors(const Change& change, GuestView& guest) {
  if (!has_mirrors(change.resource.declared) && !has_mirrors(change.before.attributes)) return nullptr;
  if (guest.presence() != cluster::Presence::answers) return nullptr;
  Json captured = {{"entries", shown(guest)}, {"files", Json::object()}};
  for (const std::string& entry : captured.at("entries").get<Texts>()) {
    if (!has_file(entry)) continue;
    if (const std::optional<std::string> content = guest.get(path_of(entry)))
      captured["files"][path_of(entry)] = *content;
  }
  return captured;
}

void restore_mirrors(Guest& guest, const Json& captured, StepContext& context) {
  if (!captured.is_object()) return;
  Texts entries;
  for (const Json& entry : member_at(captured, "/entries")) {
    if (entry.is_string()) entries.push_back(entry.get<std::string>());
  }
  GuestScript restore = script(entries, context.spec().kubernetes.version);
  for (const auto& [path, content] : member_at(captured, "/files").items()) {
    if (content.is_string()) restore.files[path] = content.get<std::string>();
  }
  cluster::run_script(guest, restore, context);
}

void remove_mirrors(Guest& guest, const Attributes& declared, StepContext& context) {
  if (has_mirrors(declared)) cluster::run_script(guest, script({}, context.spec().kubernetes.version), context);
}

}  // namespace gpuplan::node_prepare
