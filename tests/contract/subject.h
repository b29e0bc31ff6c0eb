// The implementations of the Host ports that the contract is checked on.
#pragma once

#include <memory>
#include <string>

#include "host/ports.h"
#include "host/xml/domain_xml.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

namespace gpuplan {

// A host, and what differs between implementations only because one of them is real.
struct Subject {
  TemporaryDirectory scratch;          // of this machine
  std::unique_ptr<Host> host;
  std::string directory;               // on the host: writable and there
  std::string domain_type;             // that its hypervisor knows
  std::string image;                   // a disk image that fetch_image can copy; empty: it cannot
  bool can_upload = false;

  // A small domain that this host can start.
  DomainDefinition domain(const std::string& name) const;
};

// "this machine" (real /sys and /proc, libvirt's test driver) or "simulated".
std::unique_ptr<Subject> open_subject(const std::string& name);
// The same host once more, as another process would open it.
std::unique_ptr<Host> open_again(const Subject& subject, const std::string& name);

}  // namespace gpuplan

// One after the other, in each of which the whole test case runs.
#define EACH_HOST GENERATE(as<std::string>{}, "this machine", "simulated")
