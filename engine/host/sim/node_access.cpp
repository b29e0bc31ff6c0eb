#include "host/sim/node_access.h"

#include <fmt/format.h>

#include <algorithm>

#include "digest/digest.h"
#include "host/xml/domain_xml.h"

namespace gpuplan::sim {
namespace {

// The disk from which a domain boots, or a null pointer.
GuestDisk* boot_disk(Model& model, const Domain& domain) {
  const auto definition = parse_domain(domain.running_xml);
  if (!definition) return nullptr;
  for (const DomainDisk& disk : definition->disks) {
    if (disk.read_only) continue;
    Volume* volume = model.volume_at(disk.path);
    if (volume == nullptr) return nullptr;
    if (!volume->guest) volume->guest.emplace();
    return &*volume->guest;
  }
  return nullptr;
}

// From the network's reservation for the guest's card, else what its maker has noted.
std::string address_of(Model& model, const Domain& domain) {
  const auto definition = parse_domain(domain.running_xml);
  if (!definition) return {};
  if (const Network* network = model.network(definition->network)) {
    if (const auto known = parse_network(network->xml)) {
      for (const NetworkReservation& reservation : known->reservations) {
        if (!reservation.mac.empty() && reservation.mac == definition->mac) return reservation.address;
      }
    }
  }
  return definition->node_address;
}

Machine* machine_at(Model& model, const std::string& address) {
  const auto found = std::find_if(model.machines.begin(), model.machines.end(),
                                  [&](const Machine& machine) { return machine.answers && machine.address == address; });
  return found == model.machines.end() ? nullptr : &*found;
}

Machine* machine_of(Model& model, const std::string& node) {
  const auto found = std::find_if(model.machines.begin(), model.machines.end(),
                                  [&](const Machine& machine) { return machine.answers && machine.node == node; });
  return found == model.machines.end() ? nullptr : &*found;
}

std::vector<GuestGpu> gpus_of_machine(const Machine& machine) {
  std::vector<GuestGpu> out;
  for (std::int64_t i = 0; i < machine.gpus; ++i)
    out.push_back({"NVIDIA H100 80GB HBM3", gpu_uuid(fmt::format("{}/{}", machine.address, i))});
  return out;
}

class ModelWorld : public GuestWorld {
 public:
  ModelWorld(Model& model, std::int64_t now, std::string node) : model_(model), now_(now), node_(std::move(node)) {}
  // Before anything is run on a machine, nothing but the login tells which one the node is.
  ModelWorld(Model& model, std::int64_t now, const GuestTarget& guest) : ModelWorld(model, now, guest.node) {
    if (guest.is_machine()) machine_address_ = guest.address;
  }

  std::int64_t now() override { return now_; }
  std::string node() override { return node_; }
  std::string address() override {
    if (!machine_address_.empty()) return machine_address_;
    if (const Machine* machine = machine_of(model_, node_)) return machine->address;
    const Domain* domain = running(node_);
    return domain == nullptr ? std::string() : address_of(model_, *domain);
  }
  std::size_t gpus_of(const std::string& node) override { return gpus(node).size(); }
  std::vector<GuestGpu> gpus(const std::string& node) override {
    if (const Machine* machine = machine_of(model_, node)) return gpus_of_machine(*machine);
    const Domain* domain = running(node);
    const auto definition = domain == nullptr ? std::nullopt : parse_domain(domain->running_xml);
    std::vector<GuestGpu> out;
    if (!definition) return out;
    for (const Bdf& address : definition->devices) {
      const Device* device = model_.device(address);
      if (device != nullptr && device->is_gpu()) out.push_back({device->model, gpu_uuid(address.to_string())});
    }
    return out;
  }
  bool has_cuda(const std::string& node) override {
    if (const Machine* machine = machine_of(model_, node)) return machine->gpus > 0;
    const Domain* domain = running(node);
    return domain != nullptr && fabric_lets_cuda_start(model_, *domain);
  }
  bool runs(const std::string& node) override { return running(node) != nullptr || machine_of(model_, node) != nullptr; }
  GuestDisk* disk_of_node(const std::string& node) override {
    if (Machine* machine = machine_of(model_, node)) return &machine->disk;
    const Domain* domain = running(node);
    return domain == nullptr ? nullptr : boot_disk(model_, *domain);
  }
  GuestDisk* disk_at(const std::string& address) override {
    if (Machine* machine = machine_at(model_, address)) return &machine->disk;
    for (const Domain& domain : model_.domains) {
      if (!address.empty() && guest_booted(model_, domain, now_) && address_of(model_, domain) == address) {
        return boot_disk(model_, domain);
      }
    }
    return nullptr;
  }

 private:
  const Domain* running(const std::string& node) {
    const Domain* domain = model_.domain(node);
    return domain != nullptr && guest_booted(model_, *domain, now_) ? domain : nullptr;
  }

  Model& model_;
  std::int64_t now_;
  std::string node_;
  std::string machine_address_;
};

std::string name_of(const GuestTarget& guest) {
  return guest.address.empty() ? guest.node : fmt::format("{} ({})", guest.node, guest.address);
}

// As sshd and sudo would let in.
GuestDisk& require_machine(Model& model, const GuestTarget& guest, bool changes) {
  Machine* machine = machine_at(model, guest.address);
  const auto refuse = [&](HostError::Kind kind, const std::string& why) { throw HostError(kind, guest.node, why); };
  if (machine == nullptr) refuse(HostError::Kind::unreachable, fmt::format("guest {} does not answer", name_of(guest)));
  if (machine->host_key != guest.host_key)
    refuse(HostError::Kind::refused, fmt::format("whoever answers at {} does not have the ssh host key that is trusted for {}",
                                                 guest.address, guest.node));
  if (machine->user != guest.user)
    refuse(HostError::Kind::refused, fmt::format("{} does not let {} in with the key {}", name_of(guest), guest.user, guest.identity));
  if (guest.user != "root" && !machine->sudo)
    refuse(HostError::Kind::refused, fmt::format("{} cannot become root on {}: sudo: a password is required", guest.user, name_of(guest)));
  if (changes) machine->node = guest.node;
  return machine->disk;
}

GuestDisk& require_guest(Model& model, ModelWorld& world, const GuestTarget& guest, bool changes) {
  if (guest.is_machine()) return require_machine(model, guest, changes);
  GuestDisk* disk = world.disk_of_node(guest.node);
  if (disk != nullptr) return *disk;
  throw HostError(HostError::Kind::unreachable, guest.node, fmt::format("guest {} does not answer", name_of(guest)));
}

}  // namespace

bool SimGuests::answers(const GuestTarget& guest) {
  return simulation_.look([&](Model& model, std::int64_t now) {
    if (!guest.is_machine()) {
      return ModelWorld(model, now, guest.node).disk_of_node(guest.node) != nullptr && guest_has_network(model, guest.node);
    }
    if (machine_at(model, guest.address) == nullptr) return false;
    require_machine(model, guest, false);
    return true;
  });
}

std::optional<std::string> SimGuests::addresses_by_agent(const GuestTarget& guest) {
  return simulation_.look([&](Model& model, std::int64_t now) -> std::optional<std::string> {
    if (guest.is_machine() || ModelWorld(model, now, guest.node).disk_of_node(guest.node) == nullptr) return std::nullopt;
    if (!guest_has_network(model, guest.node)) return "no address on enp1s0";
    return guest.address + " (enp1s0)";
  });
}

CommandResult SimGuests::query(const GuestTarget& guest, const Command& command) {
  return simulation_.look([&](Model& model, std::int64_t now) {
    ModelWorld world(model, now, guest);
    return run_guest_program(require_guest(model, world, guest, false), world, command, true);
  });
}

std::optional<std::string> SimGuests::get(const GuestTarget& guest, const std::string& path) {
  return simulation_.look([&](Model& model, std::int64_t now) -> std::optional<std::string> {
    ModelWorld world(model, now, guest);
    const GuestDisk& disk = require_guest(model, world, guest, false);
    const auto found = disk.files.find(path);
    if (found == disk.files.end()) return std::nullopt;
    return found->second.content;
  });
}

CommandResult SimGuests::run(const GuestTarget& guest, const Command& command) {
  return simulation_.change([&](Model& model, std::int64_t now) {
    ModelWorld world(model, now, guest);
    return run_guest_program(require_guest(model, world, guest, true), world, command, false);
  });
}

void SimGuests::put(const GuestTarget& guest, const std::string& path, const std::string& content, unsigned mode) {
  simulation_.change([&](Model& model, std::int64_t now) {
    ModelWorld world(model, now, guest);
    require_guest(model, world, guest, true).files[path] = GuestFile{content, mode};
  });
}

void SimGuests::remove(const GuestTarget& guest, const std::string& path) {
  simulation_.change([&](Model& model, std::int64_t now) {
    ModelWorld world(model, now, guest);
    require_guest(model, world, guest, true).files.erase(path);
  });
}

// Simulated guests let anybody in, so their keys need no more than to look like some.
GuestCredentials SimGuests::credentials(const std::string& node) {
  const auto public_key = [](const std::string& of) { return "ssh-ed25519 simulated" + sha256_hex(of).substr(0, 43); };
  return {public_key("gpuplan") + " gpuplan",
          fmt::format("-----BEGIN OPENSSH PRIVATE KEY-----\nsimulated {}\n-----END OPENSSH PRIVATE KEY-----\n", node),
          public_key(node)};
}

void SimGuests::forget(const std::string& /*node*/) {}

}  // namespace gpuplan::sim
