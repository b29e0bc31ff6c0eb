#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "spec/host_key.h"
#include "spec/network_range.h"
#include "spec/sections.h"

// What Kubernetes takes for names of labels and taints:
// https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
// https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/

namespace gpuplan {
namespace {

constexpr std::string_view control_plane_key = "control-plane";
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

bool is_ipv4(const std::string& text) {
  const auto address = parse_ipv4(text);
  return address && format_ipv4(*address) == text;
}

// Of a host, and no address that was mistyped: what is behind its last dot is not a number.
bool is_host_name(const std::string& text) {
  const std::string last = text.substr(text.rfind('.') + 1);
  return is_subdomain(text) && last.find_first_not_of("0123456789") != std::string::npos;
}

// "user@10.0.0.5" or "user@gpu7.example.com", taken apart. False if it is nothing of the kind.
bool read_login(const std::string& text, MachineSpec& machine) {
  const std::size_t at = text.find('@');
  if (at == std::string::npos) return false;
  machine.user = text.substr(0, at);
  machine.host = text.substr(at + 1);
  constexpr std::size_t max_user = 32;
  const bool is_user = machine.user.size() <= max_user && consists_of(machine.user, "_-") && machine.user.front() != '-';
  return is_user && (is_ipv4(machine.host) || is_host_name(machine.host));
}

// Reports a text at `key` that is wrong.
void reject_text(MappingDecoder& node, std::string_view key, bool good, std::string_view wanted, std::string remedy,
                 Diagnostics& diagnostics) {
  const YamlNode* member = node.node(key);
  if (good || member == nullptr || !member->is_scalar()) return;
  diagnostics.error(member->where(), fmt::format("{} must be {}, not {}", node.path(key), wanted, quote(member->text())),
                    std::move(remedy));
}

std::string remedy_for_vm(std::string_view key) {
  if (key == "gpus") return "the GPUs of a VM stand in worker_gpu_assignment; remove the key";
  if (key == "address") return "the addresses of VMs stand in network.addresses; remove the key";
  return "add ssh: USER@HOST, or remove the key";
}

// Its address among the nodes: where its sshd answers, unless the spec says another.
std::string read_machine_address(MappingDecoder& node, const MachineSpec& machine, Diagnostics& diagnostics) {
  std::string address;
  node.string("address", address);
  reject_text(node, "address", is_ipv4(address), "an IPv4 address", "for example 10.0.0.5", diagnostics);
  const YamlNode* ssh = node.node("ssh");
  if (!address.empty() || ssh == nullptr) return address;
  if (is_ipv4(machine.host)) return machine.host;
  if (is_host_name(machine.host)) {
    diagnostics.error(ssh->where(), fmt::format("{} is a name, and the node has no address", node.path("ssh")),
                      "add address: the IPv4 address of the machine at which the other nodes reach it");
  }
  return {};
}

// The machine that a node is to be; nothing if it is a VM.
std::optional<MachineSpec> read_machine(MappingDecoder& node, std::string& address, Diagnostics& diagnostics) {
  MachineSpec machine;
  std::string login;
  node.string("ssh", login);
  reject_text(node, "ssh", read_login(login, machine), "USER@HOST", "for example ubuntu@10.0.0.5", diagnostics);
  const std::string own_address = read_machine_address(node, machine, diagnostics);
  node.integer("port", machine.port, 1, 65535);
  node.string("identity", machine.identity);
  reject_text(node, "identity", consists_of(machine.identity, "/._+@-") && machine.identity.front() == '/',
              "the absolute path of a private key", "write its path with letters, digits, '/', '.', '_', '+', '@', '-'",
              diagnostics);
  node.string("host_key", machine.host_key);
  // A comment may follow, as in the file that it is copied from.
  machine.host_key = machine.host_key.substr(0, machine.host_key.find(' ', machine.host_key.find(' ') + 1));
  reject_text(node, "host_key", is_ed25519_host_key(machine.host_key), "an ed25519 host key",
              "copy it from the machine itself: cat /etc/ssh/ssh_host_ed25519_key.pub", diagnostics);
  const YamlNode* ssh = node.node("ssh");
  for (const char* key : {"address", "port", "identity", "host_key", "gpus"}) {
    const YamlNode* member = node.node(key);
    if (member != nullptr && ssh == nullptr) {
      diagnostics.error(member->where(), fmt::format("{} is only for machines", node.path(key)), remedy_for_vm(key));
    } else if (member == nullptr && ssh != nullptr && std::string_view(key) == "identity") {
      diagnostics.error(ssh->where(), fmt::format("{} has no identity", node.path("ssh")),
                        "add identity: the path of the private key that the machine lets in");
    }
  }
  if (ssh == nullptr) return std::nullopt;
  address = own_address;
  return machine;
}

bool is_machine(const YamlNode& node) {
  const YamlNode* ssh = node.find("ssh");
  return ssh != nullptr && !ssh->is_null();
}

// The workers that are machines of their own stand only under `nodes`.
void add_machines(const YamlNode& nodes, Spec& spec, Diagnostics& diagnostics) {
  for (const YamlNode::Entry& entry : nodes.entries()) {
    if (entry.key == control_plane_key || !is_machine(entry.value)) continue;
    const bool assigned = std::any_of(spec.workers.begin(), spec.workers.end(),
                                      [&](const WorkerSpec& worker) { return worker.key == entry.key; });
    if (assigned) {
      diagnostics.error(entry.value.find("ssh")->where(),
                        fmt::format("{} is a VM by worker_gpu_assignment and is a machine of its own here", shorten(entry.key)),
                        "take it out of one of them: the GPUs of this server are for its VMs");
      continue;
    }
    WorkerSpec worker;
    worker.key = entry.key;
    worker.name = fmt::format("{}-{}", spec.cluster, entry.key);
    worker.where = entry.key_where;
    worker.machine.emplace();
    if (check_worker_name(entry, worker.name, diagnostics)) spec.workers.push_back(std::move(worker));
  }
}

// What `nodes` may name: the workers and the control plane.
void check_node_keys(MappingDecoder& nodes, const YamlNode& mapping, const Spec& spec, Diagnostics& diagnostics) {
  std::vector<std::string_view> known = {control_plane_key};
  for (const WorkerSpec& worker : spec.workers) known.push_back(worker.key);
  const std::set<std::string_view> known_set(known.begin(), known.end());
  constexpr std::size_t most = 20;
  std::size_t unknown = 0;
  for (const YamlNode::Entry& entry : mapping.entries()) {
    if (known_set.count(entry.key) > 0 || is_machine(entry.value) || ++unknown > most) continue;
    const std::string guess = did_you_mean(entry.key, known);
    diagnostics.error(entry.key_where, fmt::format("{}: there is no worker {}", nodes.path(entry.key), quote(entry.key)),
                      guess.empty() ? "VMs are declared under worker_gpu_assignment; a machine of its own has ssh here"
                                    : fmt::format("did you mean {}?", quote(guess)));
  }
}

void check_machines(const Spec& spec, const YamlNode& nodes, Diagnostics& diagnostics) {
  std::map<std::string, std::string> owners;  // address → who has it
  const auto check = [&](const std::string& key, const std::optional<MachineSpec>& machine, const std::string& address) {
    if (!machine || address.empty()) return;
    const auto [owner, is_new] = owners.emplace(address, key);
    if (!is_new) {
      diagnostics.error(nodes.find(key)->find("ssh")->where(), fmt::format("{} and {} are the same machine, {}", owner->second, key,
                                                                           address),
                        "a machine is one node");
    }
  };
  check(std::string(control_plane_key), spec.control_plane.machine, spec.control_plane.address);
  for (const WorkerSpec& worker : spec.workers) check(worker.key, worker.machine, worker.address);
}

}  // namespace

void read_nodes(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  const YamlNode* mapping = document.node("nodes");
  MappingDecoder nodes = section(document, "nodes", diagnostics);
  if (mapping == nullptr || !nodes.valid()) return;
  add_machines(*mapping, spec, diagnostics);
  check_node_keys(nodes, *mapping, spec, diagnostics);
  if (nodes.node(control_plane_key) != nullptr) {
    MappingDecoder own = section(nodes, control_plane_key, diagnostics);
    spec.control_plane.machine = read_machine(own, spec.control_plane.address, diagnostics);
    const YamlNode* gpus = own.node("gpus");
    if (gpus != nullptr && spec.control_plane.machine) {
      diagnostics.error(gpus->where(), "nodes.control-plane.gpus: pods with GPUs run on workers alone",
                        "remove the key, or make the machine a worker");
    }
    own.finish();
  }
  for (WorkerSpec& worker : spec.workers) {
    if (nodes.node(worker.key) == nullptr) continue;
    MappingDecoder own = section(nodes, worker.key, diagnostics);
    if (!own.valid()) continue;
    read_labels(own, worker, diagnostics);
    read_taints(own, worker, diagnostics);
    std::string address;
    std::optional<MachineSpec> machine = read_machine(own, address, diagnostics);
    if (own.node("gpus") != nullptr && machine) own.integer("gpus", machine->gpus, 0, 64);
    if (worker.machine && machine) {
      worker.machine = machine;
      worker.address = address;
    }
    own.finish();
  }
  check_machines(spec, *mapping, diagnostics);
}

}  // namespace gpuplan
