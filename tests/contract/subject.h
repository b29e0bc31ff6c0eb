// The implementations of the Host ports that the contract is checked on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host/ports.h"
#include "host/xml/domain_xml.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

namespace gpuplan {

// What the contract makes in a hypervisor.
inline constexpr const char* contract_domain = "contract-1";
inline constexpr const char* contract_network = "contract-net";
inline constexpr const char* contract_pool = "contract-pool";

// A host, and what differs between implementations only because one of them is real.
struct Subject {
  TemporaryDirectory scratch;          // of this machine
  std::unique_ptr<Host> host;
  std::string directory;               // on the host: writable and there
  std::string domain_type;             // that its hypervisor knows
  bool can_upload = false;
  bool has_guests = true;              // its domains answer the power button
  bool keeps_objects = false;          // of its hypervisor, beyond the connection

  ~Subject();

  // A small domain that this host can start.
  DomainDefinition domain(const std::string& name) const;
};

// What "this machine" talks to: GPUPLAN_TEST_LIBVIRT_URI, or else libvirt's test driver.
std::string libvirt_uri();

// "this machine" (real /sys and /proc, the libvirt of libvirt_uri) or "simulated".
std::unique_ptr<Subject> open_subject(const std::string& name);
// The same host once more, as another process would open it.
std::unique_ptr<Host> open_again(const Subject& subject, const std::string& name);

// The names of both, or with GPUPLAN_TEST_HOSTS=real of the first alone: the simulated host is the same everywhere.
std::vector<std::string> contract_hosts();

}  // namespace gpuplan

// One after the other, in each of which the whole test case runs.
#define EACH_HOST GENERATE(from_range(gpuplan::contract_hosts()))
