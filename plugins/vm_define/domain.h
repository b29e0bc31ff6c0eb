// One domain on the host: read, stopped, started, taken away. Only domains with our mark are touched.
#pragma once

#include <optional>
#include <string>

#include "declaration.h"
#include "host/xml/domain_xml.h"
#include "plugin/step_kind.h"

namespace gpuplan::vm_define {

// Attribute: volumes of the VM that its domain does not use. Only where there are any.
inline constexpr const char* left_behind = "left_behind";

// The power of a domain that an interrupted run may have asked to shut down, whether it is off yet or not.
inline constexpr const char* going_down = "going down";

// The power of a domain that runs, and whose guest may not have been waited for: the run that started it was cut short.
inline constexpr const char* starting = "starting";

struct FoundDomain {
  DomainState state;
  DomainDefinition definition;

  // The volume of its first disk, without directory; empty if it has none.
  std::string disk() const;
  std::string disk_path() const;
  bool runs() const { return state.power == PowerState::running; }
};

// Throws HostError::failed if its document cannot be understood.
std::optional<FoundDomain> find_domain(HypervisorReader& hypervisor, const std::string& name);
// The same, but throws HostError::refused for a domain that `owner` did not make.
std::optional<FoundDomain> find_own_domain(HypervisorReader& hypervisor, const std::string& name,
                                           const std::string& owner);

// Shuts the guest down, and pulls the plug if it does not follow. An absent domain is not an error.
void stop_guest(const std::string& name, const std::string& owner, Host& host, StepContext& context);
// Starts the guest and waits until it answers a login. The error carries the end of its console.
void start_guest(const std::string& name, const std::string& address, Host& host, StepContext& context);

// The definition of `vm` with everything that depends on the host: addresses, window, placement.
DomainDefinition define(const Vm& vm, const std::string& disk_path, const std::string& seed_path, FileReader& files);

// What a domain that is defined anew keeps: its UUID, so that libvirt redefines it and leaves the old definition in place
// if it refuses the new one, and where the guest has its GPUs.
void keep_identity(DomainDefinition& definition, const FoundDomain& domain);

}  // namespace gpuplan::vm_define
