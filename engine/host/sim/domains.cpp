#include <fmt/format.h>

#include <algorithm>

#include "digest/digest.h"
#include "host/sim/errors.h"
#include "host/sim/hypervisor.h"
#include "host/xml/domain_xml.h"

namespace gpuplan::sim {
namespace {

DomainState state_of(const Domain& domain) {
  return {domain.name, domain.uuid, domain.power, domain.autostart, domain.xml};
}

Domain& require_domain(Model& model, const std::string& operation, const std::string& name) {
  require_libvirt(model);
  Domain* domain = model.domain(name);
  if (domain != nullptr) return *domain;
  throw libvirt_error(HostError::Kind::not_found, operation, "domain " + name, "there is no domain with that name");
}

// What the host must have for a document to be accepted at all.
void check_definition(const Model& model, const DomainDefinition& definition) {
  const auto refuse = [&](const std::string& reason) {
    throw libvirt_error(HostError::Kind::refused, "define", "domain " + definition.name, reason);
  };
  if (definition.type == "kvm" && !device_file_exists(model, "/dev/kvm")) {
    refuse("could not get preferred machine for /usr/bin/qemu-system-x86_64 type=kvm: the host has no /dev/kvm");
  }
  const auto& packages = model.packages;
  if (definition.firmware == "efi" && std::find(packages.begin(), packages.end(), "ovmf") == packages.end()) {
    refuse("unable to find 'efi' firmware that is compatible with the current configuration");
  }
  if (definition.memory_mib <= 0 || definition.cpus <= 0) refuse("memory and vcpu must be above 0");
}

}  // namespace

void require_libvirt(const Model& model) {
  if (model.libvirt_reachable) return;
  throw HostError(HostError::Kind::unreachable, "libvirt",
                  "cannot reach libvirt: failed to connect socket to '/var/run/libvirt/libvirt-sock': "
                  "no such file or directory");
}

std::string with_uuid(const Model& model, const std::string& xml, const std::string& element, const std::string& name,
                      std::string& uuid) {
  if (!uuid.empty()) return xml;
  const std::string hash = sha256_hex(fmt::format("{} {} {} {}", model.machine_id, element, name, model.time));
  uuid = fmt::format("{}-{}-4{}-a{}-{}", hash.substr(0, 8), hash.substr(8, 4), hash.substr(12, 3), hash.substr(15, 3),
                     hash.substr(18, 12));
  const std::string anchor = "</name>";
  const std::size_t at = xml.find(anchor);
  if (at == std::string::npos) return xml;
  return xml.substr(0, at + anchor.size()) + "<uuid>" + uuid + "</uuid>" + xml.substr(at + anchor.size());
}

std::vector<DomainState> SimHypervisor::domains() {
  return simulation_.look([](Model& model, std::int64_t) {
    require_libvirt(model);
    std::vector<DomainState> states;
    for (const Domain& domain : model.domains) states.push_back(state_of(domain));
    return states;
  });
}

std::optional<DomainState> SimHypervisor::domain(const std::string& name) {
  return simulation_.look([&](Model& model, std::int64_t) -> std::optional<DomainState> {
    require_libvirt(model);
    const Domain* domain = model.domain(name);
    if (domain == nullptr) return std::nullopt;
    return state_of(*domain);
  });
}

std::string SimHypervisor::console_tail(const std::string& name, std::size_t lines) {
  return simulation_.look([&](Model& model, std::int64_t now) -> std::string {
    require_libvirt(model);
    const Domain* domain = model.domain(name);
    if (domain == nullptr || domain->power != PowerState::running) return {};
    std::vector<std::string> all{"[    0.000000] Linux version 6.8.0-71-generic",
                                 "[    1.204511] systemd[1]: Detected virtualization kvm."};
    if (guest_booted(model, *domain, now)) {
      all.push_back("cloud-init[812]: Cloud-init finished");
      all.push_back(name + " login: ");
    }
    std::string text;
    for (std::size_t i = all.size() - std::min(lines, all.size()); i < all.size(); ++i) text += all[i] + "\n";
    return text;
  });
}

void SimHypervisor::define_domain(const std::string& xml) {
  simulation_.change([&](Model& model, std::int64_t) {
    require_libvirt(model);
    const auto definition = parse_domain(xml);
    if (!definition || definition->name.empty()) {
      throw HostError(HostError::Kind::refused, "domain", "cannot define a domain: the document is not a <domain> with a name");
    }
    check_definition(model, *definition);
    Domain* present = model.domain(definition->name);
    std::string uuid = definition->uuid;
    if (present != nullptr) {
      // Like libvirt: without a UUID a new one would be made, which then belongs to another domain.
      if (uuid != present->uuid) {
        throw libvirt_error(HostError::Kind::refused, "define", "domain " + definition->name,
                            fmt::format("domain '{}' already exists with uuid {}", present->name, present->uuid));
      }
      present->xml = xml;
      present->persistent = true;
      return;
    }
    for (const Domain& other : model.domains) {
      if (uuid.empty() || other.uuid != uuid) continue;
      throw libvirt_error(HostError::Kind::refused, "define", "domain " + definition->name,
                          fmt::format("domain '{}' is already defined with uuid {}", other.name, uuid));
    }
    Domain domain;
    domain.name = definition->name;
    domain.xml = with_uuid(model, xml, "domain", domain.name, uuid);
    domain.uuid = uuid;
    model.domains.push_back(std::move(domain));
  });
}

void SimHypervisor::start_domain(const std::string& name) {
  simulation_.change([&](Model& model, std::int64_t now) {
    Domain& domain = require_domain(model, "start", name);
    if (domain.power == PowerState::running && domain.off_at == 0) return;
    if (domain.power == PowerState::running) {
      throw libvirt_error(HostError::Kind::busy, "start", "domain " + name, "domain is still shutting down");
    }
    check_start(model, domain);
    domain.power = PowerState::running;
    domain.running_xml = domain.xml;
    domain.started_at = now;
    domain.off_at = 0;
    const auto definition = parse_domain(domain.xml);
    for (const DomainDisk& disk : definition->disks) {
      if (disk.read_only) continue;
      Volume* volume = model.volume_at(disk.path);
      if (volume != nullptr && !volume->guest) volume->guest.emplace();
      break;
    }
  });
}

void SimHypervisor::shut_down_domain(const std::string& name) {
  simulation_.change([&](Model& model, std::int64_t now) {
    Domain& domain = require_domain(model, "shut down", name);
    if (domain.power != PowerState::running || domain.off_at != 0) return;
    // A guest that is still booting looks at the power button when it has come up.
    domain.off_at = std::max(now, domain.started_at + model.boot_seconds) + model.shutdown_seconds;
    settle(model, now);
  });
}

void SimHypervisor::kill_domain(const std::string& name) {
  simulation_.change([&](Model& model, std::int64_t now) {
    Domain& domain = require_domain(model, "stop", name);
    if (domain.power != PowerState::off) domain_stopped(model, domain);
    settle(model, now);
  });
}

void SimHypervisor::undefine_domain(const std::string& name) {
  simulation_.change([&](Model& model, std::int64_t now) {
    require_libvirt(model);
    Domain* domain = model.domain(name);
    if (domain == nullptr) return;
    // A running domain lives on as a transient one.
    domain->persistent = false;
    domain->autostart = false;
    settle(model, now);
  });
}

void SimHypervisor::set_autostart(const std::string& name, bool on) {
  simulation_.change([&](Model& model, std::int64_t) {
    Domain& domain = require_domain(model, "set autostart of", name);
    if (!domain.persistent) {
      throw libvirt_error(HostError::Kind::refused, "set autostart of", "domain " + name, "cannot set autostart for transient domain");
    }
    domain.autostart = on;
  });
}

}  // namespace gpuplan::sim
