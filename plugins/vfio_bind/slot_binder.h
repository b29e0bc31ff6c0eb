// Moves the functions of one slot between drivers.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "plugin/plugin.h"
#include "saved_state.h"
#include "services.h"

namespace gpuplan::vfio_bind {

// One GPU's slot during one stage. Every function may throw HostError. If a read or write of the
// kernel hangs, that is Kind::timed_out with a sentence that asks for a reboot; nothing more is tried
// then, since whatever touches the device would hang as well. Source of the procedure: Linux
// Documentation/ABI/testing/sysfs-bus-pci (driver_override, unbind), Documentation/driver-api/vfio.rst.
class SlotBinder {
 public:
  SlotBinder(Bdf gpu, Host& host, StepContext& context, SharedServices& services);

  // Puts every function of the slot on vfio-pci. `saved` is what each was like before; a function
  // that cannot be bound is given back to that before the error is thrown.
  void take(const SavedState& saved);
  // Puts every function back on the driver and override it had, then starts the services that ran.
  void return_to(const SavedState& saved);

 private:
  void prepare(const PciFunction& function, bool persistence);
  void wait_until_free(const PciFunction& function);
  // Who has a function, and how to make them let go of it.
  struct User {
    std::string name;
    std::string remedy;
  };
  std::optional<User> user_of(const PciFunction& function);
  std::optional<std::string> running_domain_with(const PciFunction& function);
  void load_vfio();
  // `module`: of a GPU that Fabric Manager counts, to be noted while it is away.
  void bind(const SavedFunction& saved, std::optional<std::int64_t> module);
  void move_to_vfio(const PciFunction& now, std::optional<std::int64_t> module);
  void set_power_control(const Bdf& address, const std::string& value);
  void take_unbind_lock(const PciFunction& function, const std::string& path);
  void look_once_more(const PciFunction& function);
  void release_unbind_lock(const Bdf& address, const std::string& path);
  std::string give_back(SavedFunction saved, const std::string& last_driver);
  void restore(const SavedFunction& saved);
  void probe_again(const Bdf& address, const std::string& wanted);

  PciFunction read(const Bdf& address);
  void write(const Bdf& address, const std::string& path, const std::string& content);
  void write_override(const Bdf& address, const std::string& driver);
  // False if `ready` did not come true within `limit`.
  bool wait(const std::string& what, std::chrono::seconds limit, const std::function<bool()>& ready);

  Bdf gpu_;
  Host& host_;
  StepContext& context_;
  SharedServices& services_;
  std::chrono::seconds limit_;
};

// The error for a device that does not come back from a kernel call.
HostError hang_error(const Bdf& address, const HostError& cause);

}  // namespace gpuplan::vfio_bind
