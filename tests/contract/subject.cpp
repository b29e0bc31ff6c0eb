#include "subject.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "host/local/local_host.h"
#include "host/sim/sim_host.h"

namespace gpuplan {
namespace {

std::unique_ptr<Host> open_this_machine() {
  LocalHostOptions options;
  options.libvirt_uri = libvirt_uri();
  options.child_program = GPUPLAN_FILE_ACCESS_CHILD;
  return open_local_host(options);
}

std::unique_ptr<Host> open_simulated(const std::string& state_dir) {
  Diagnostics diagnostics;
  auto host = open_sim_host(GPUPLAN_SOURCE_DIR "/specs/hosts/h100-sxm8.yaml", state_dir, diagnostics);
  for (const Diagnostic& diagnostic : diagnostics.items()) UNSCOPED_INFO(render(diagnostic, false));
  REQUIRE(host);
  return host;
}

}  // namespace

std::vector<std::string> contract_hosts() {
  const char* chosen = std::getenv("GPUPLAN_TEST_HOSTS");
  if (chosen != nullptr && std::string(chosen) == "real") return {"this machine"};
  return {"this machine", "simulated"};
}

std::string libvirt_uri() {
  const char* uri = std::getenv("GPUPLAN_TEST_LIBVIRT_URI");
  return uri != nullptr ? uri : "test:///default";
}

// libvirt's test driver forgets everything by itself.
Subject::~Subject() {
  if (!keeps_objects) return;
  try {
    Hypervisor& hypervisor = host->hypervisor();
    if (hypervisor.domain(contract_domain)) hypervisor.kill_domain(contract_domain);
    hypervisor.undefine_domain(contract_domain);
    hypervisor.remove_network(contract_network);
    if (!hypervisor.pool(contract_pool)) return;
    for (const VolumeState& volume : hypervisor.volumes(contract_pool)) hypervisor.delete_volume(contract_pool, volume.name);
    hypervisor.remove_pool(contract_pool);
  } catch (const HostError& error) {
    std::fprintf(stderr, "contract: cleaning up: %s\n", error.what());
  }
}

DomainDefinition Subject::domain(const std::string& name) const {
  DomainDefinition definition;
  definition.name = name;
  definition.type = domain_type;
  definition.owner.cluster = "contract";
  definition.memory_mib = 64;
  definition.cpus = 1;
  definition.firmware = "bios";
  return definition;
}

std::unique_ptr<Host> open_again(const Subject& subject, const std::string& name) {
  return name == "simulated" ? open_simulated(subject.scratch.path()) : open_this_machine();
}

std::unique_ptr<Subject> open_subject(const std::string& name) {
  auto subject = std::make_unique<Subject>();
  subject->host = open_again(*subject, name);
  if (name == "simulated") {
    subject->domain_type = "kvm";
    subject->can_upload = true;
    subject->directory = "/var/lib/gpuplan-contract";
    subject->host->files().make_directory(subject->directory, 0700);
  } else {
    const bool is_libvirtd = libvirt_uri().rfind("test:", 0) != 0;
    subject->domain_type = is_libvirtd ? "kvm" : "test";
    subject->can_upload = is_libvirtd;
    subject->has_guests = !is_libvirtd;
    subject->keeps_objects = is_libvirtd;
    subject->directory = subject->scratch.path();
  }
  return subject;
}

}  // namespace gpuplan
