// The services that keep a GPU open, its driver's persistence mode, and notes about GPUs that are away.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "host/pci/pci.h"
#include "plugin/plugin.h"

namespace gpuplan::vfio_bind {

// "nvidia-persistenced" means "nvidia-persistenced.service", as for systemctl.
std::string unit_name(const std::string& name);
bool is_service(const std::string& unit);
// The units that host.stop_services lets gpuplan stop, as systemd names them, in its order; never Fabric Manager.
std::vector<std::string> stoppable_services(const Spec& spec);
// True if this unit is one of them.
bool may_be_stopped(const std::string& unit, const Spec& spec);

// "python3 (pid 4242, unit jupyter.service)"
std::string describe(const DeviceHolder& holder);

// GPUs are bound side by side, but share services and what asks their driver: whoever touches those holds the mutex.
// Which services gpuplan stopped, and which GPUs they had open, stands in files below
// stopped_services_path. They vanish with a reboot, after which services start by themselves. So the
// last of those GPUs to come back starts the service again, in whatever order and run that happens.
class SharedServices {
 public:
  // Stops those services that have `function` open now and that the spec lists.
  void stop_holders(const PciFunction& function, Host& host, StepContext& context);
  // `gpu` has the host's driver again: starts the services stopped for it, unless they also wait for
  // another GPU that this run gives back.
  void start_waiting(const Bdf& gpu, Host& host, StepContext& context);
  // Does nothing if its driver has no persistence mode, or what sets it is not installed any more.
  void set_persistence(const PciFunction& gpu, bool on, Host& host, StepContext& context);
  // Notes the module id of a GPU for as long as its driver does not have it (host/pci/nvidia/fabric.h).
  void note_module(const Bdf& gpu, std::int64_t module, Host& host);
  void forget_module(const Bdf& gpu, Host& host);

 private:
  std::mutex mutex_;
};

inline constexpr const char* stopped_services_path = "/run/gpuplan/stopped-services";

}  // namespace gpuplan::vfio_bind
