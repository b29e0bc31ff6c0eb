#include "subject.h"

#include <fstream>
#include <stdexcept>

#include "host/local/local_host.h"
#include "host/sim/sim_host.h"

namespace gpuplan {
namespace {

std::unique_ptr<Host> open_this_machine() {
  LocalHostOptions options;
  options.libvirt_uri = "test:///default";
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
    subject->image = "/srv/image.img";
    subject->directory = "/var/lib/gpuplan-contract";
    subject->host->files().make_directory(subject->directory, 0700);
  } else {
    subject->domain_type = "test";
    subject->directory = subject->scratch.path();
  }
  return subject;
}

}  // namespace gpuplan
