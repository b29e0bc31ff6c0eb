#include "slot_binder.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/pci/nvidia/driver.h"
#include "host/xml/domain_xml.h"
#include "plugin/waiting.h"
#include "remedies.h"
#include "report/shell.h"

namespace gpuplan::vfio_bind {
namespace {

constexpr const char* vfio = "vfio-pci";
constexpr const char* drivers_probe = "/sys/bus/pci/drivers_probe";
constexpr std::chrono::seconds least_limit{10};
constexpr std::chrono::seconds lock_limit{10};
constexpr std::chrono::milliseconds poll{1000};

std::string shown(const std::string& driver) { return driver.empty() ? "no driver" : driver; }

SavedFunction saved_of(const SavedState& saved, const PciFunction& function) {
  for (const SavedFunction& item : saved.functions) {
    if (item.address == function.address) return item;
  }
  return {function.address, function.driver, function.driver_override, {}};
}

}  // namespace

HostError hang_error(const Bdf& address, const HostError& cause) {
  return HostError(HostError::Kind::timed_out, cause.subject(),
                   fmt::format("{} hangs: {}; nothing can end that, so reboot this host, then run `{}` or `{}` again",
                               address.to_string(), cause.what(), suggested("apply"), suggested("rollback")),
                   cause.output_tail());
}

SlotBinder::SlotBinder(Bdf gpu, Host& host, StepContext& context, SharedServices& services)
    : gpu_(gpu), host_(host), context_(context), services_(services),
      limit_(std::max(least_limit, std::chrono::seconds(context.spec().timeouts.unbind))) {}

void SlotBinder::take(const SavedState& saved) {
  const auto functions = read_slot_functions(host_.files(), gpu_);
  if (functions.empty()) {
    throw HostError(HostError::Kind::not_found, sysfs_device(gpu_),
                    fmt::format("{} is not on this host any more; look for it with `gpuplan discover`", gpu_.to_string()));
  }
  for (const PciFunction& function : functions) prepare(function, saved.persistence);
  load_vfio();
  for (const PciFunction& function : functions) {
    bind(saved_of(saved, function), function.address == gpu_ ? saved.module : std::nullopt);
  }
}

// Leaves a function without users. Everything here is undone by return_to.
void SlotBinder::prepare(const PciFunction& function, bool persistence) {
  if (function.driver.empty() || function.driver == vfio) return;
  services_.stop_holders(function, host_, context_);
  if (persistence) services_.set_persistence(function, false, host_, context_);
  wait_until_free(function);
  if (read(function.address).virtual_functions > 0) {
    throw HostError(HostError::Kind::busy, sysfs_device(function.address) + "/sriov_numvfs",
                    fmt::format("{} has virtual functions; {}, and run gpuplan again", function.address.to_string(),
                                how_to_remove_virtual_functions(function)));
  }
}

void SlotBinder::wait_until_free(const PciFunction& function) {
  std::optional<User> user;
  const bool free = wait(function.address.to_string() + " is free", limit_, [&] {
    user = user_of(function);
    if (user) context_.progress(fmt::format("waiting for {} to let go", user->name));
    return !user;
  });
  if (free) return;
  throw HostError(HostError::Kind::busy, sysfs_device(function.address),
                  fmt::format("{} is still held by {} after {}s; {}, then run gpuplan again; {}",
                              function.address.to_string(), user->name, limit_.count(), user->remedy,
                              more_time("unbind", limit_.count())));
}

// A process that has the function open, the host's own use of it, or the VM that it is passed through to.
std::optional<SlotBinder::User> SlotBinder::user_of(const PciFunction& function) {
  std::vector<std::string> unreadable;
  const auto holders = read_holders(host_.files(), function, unreadable);
  const auto disks = read_used_disks(host_.files(), function);
  const auto domain = function.driver == vfio ? running_domain_with(function) : std::nullopt;
  if (domain) return User{"the VM " + *domain, "shut that down"};
  if (!holders.empty()) return User{describe(holders.front()), how_to_free(holders.front())};
  if (disks.empty()) return std::nullopt;
  return User{fmt::format("the host: disk {} on it {}", disks.front().name, disks.front().use),
              fmt::format("unmount {} and whatever stands on it", disks.front().name)};
}

// Nothing too if libvirt does not answer: then there are only processes to look at.
std::optional<std::string> SlotBinder::running_domain_with(const PciFunction& function) {
  try {
    for (const DomainState& domain : host_.hypervisor().domains()) {
      if (domain.power != PowerState::running) continue;
      const auto definition = parse_domain(domain.xml);
      if (!definition) continue;
      const auto& devices = definition->devices;
      if (std::find(devices.begin(), devices.end(), function.address) != devices.end()) return domain.name;
    }
  } catch (const HostError& error) {
    context_.log(error.what());
  }
  return std::nullopt;
}

void SlotBinder::load_vfio() {
  if (host_.files().kind("/sys/bus/pci/drivers/vfio-pci") != FileKind::none) return;
  Command modprobe;
  modprobe.argv = {"modprobe", vfio};
  try {
    require_success(modprobe, host_.run(modprobe));
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw hang_error(gpu_, error);
    throw;
  }
}

void SlotBinder::bind(const SavedFunction& saved, std::optional<std::int64_t> module) {
  const PciFunction now = read(saved.address);
  if (now.driver == vfio) return set_power_control(now.address, "on");
  try {
    context_.progress(fmt::format("{}: {} to {}", now.address.to_string(), shown(now.driver), vfio));
    move_to_vfio(now, module);
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw;
    const std::string outcome = give_back(saved, now.driver);
    throw HostError(error.kind(), error.subject(), fmt::format("{}; {}", error.what(), outcome), error.output_tail());
  }
}

void SlotBinder::move_to_vfio(const PciFunction& now, std::optional<std::int64_t> module) {
  const std::string device = sysfs_device(now.address);
  if (const auto lock = unbind_lock(now)) take_unbind_lock(now, *lock);
  if (now.driver_override != vfio) write_override(now.address, vfio);
  if (module) services_.note_module(now.address, *module, host_);
  if (!now.driver.empty()) write(now.address, device + "/driver/unbind", now.address.to_string());
  write(now.address, drivers_probe, now.address.to_string());
  const std::string driver = read(now.address).driver;
  if (driver != vfio) {
    throw HostError(HostError::Kind::failed, device + "/driver",
                    fmt::format("{} has {} after {} was told to bind it to {}; `dmesg` says why",
                                now.address.to_string(), shown(driver), drivers_probe, vfio));
  }
  set_power_control(now.address, "on");
}

// vfio-pci lets a device that no VM has yet fall into D3hot, from which not every GPU wakes up. When it lets go of the
// device it sets this back to "on" itself.
void SlotBinder::set_power_control(const Bdf& address, const std::string& value) {
  const std::string path = power_control_of(address);
  const auto now = read_trimmed(host_.files(), path);
  if (now && *now != value) write(address, path, value);
}

// While the lock is held nobody can open the GPU, so the unbind that follows cannot wait for a client.
// The driver takes it only if nobody has the GPU open, and says so only to a later read.
void SlotBinder::take_unbind_lock(const PciFunction& function, const std::string& path) {
  if (host_.files().kind(path) == FileKind::none) return look_once_more(function);
  const bool locked = wait("the unbind lock of " + function.address.to_string(), lock_limit, [&] {
    if (read_trimmed(host_.files(), path) == "1") return true;
    write(function.address, path, "1");
    return read_trimmed(host_.files(), path) == "1";
  });
  if (locked) return;
  std::vector<std::string> unreadable;
  const auto holders = read_holders(host_.files(), function, unreadable);
  const std::string because =
      holders.empty()
          ? why_unbind_lock_is_refused(function.address)
          : fmt::format("it is held by {}; {}, then run gpuplan again", describe(holders.front()),
                        how_to_free(holders.front()));
  throw HostError(HostError::Kind::busy, path,
                  fmt::format("the {} driver does not let go of {}: {}", function.driver, function.address.to_string(),
                              because));
}

// Not every build of the driver offers the lock. Then only the last look before the unbind protects.
void SlotBinder::look_once_more(const PciFunction& function) {
  const std::optional<User> user = user_of(function);
  if (!user) return;
  throw HostError(HostError::Kind::busy, sysfs_device(function.address),
                  fmt::format("{} has just been opened by {}; {}, then run gpuplan again", function.address.to_string(),
                              user->name, user->remedy));
}

void SlotBinder::release_unbind_lock(const Bdf& address, const std::string& path) {
  if (read_trimmed(host_.files(), path) == "1") write(address, path, "0");
}

// After a failed bind. Never throws HostError; says what came of it.
std::string SlotBinder::give_back(SavedFunction saved, const std::string& last_driver) {
  // What a killed run left half done is no state to go back to.
  if (saved.driver_override == vfio) saved.driver_override.clear();
  if (saved.driver.empty()) saved.driver = last_driver;
  try {
    restore(saved);
    return fmt::format("{} has {} again", saved.address.to_string(), shown(saved.driver));
  } catch (const HostError& error) {
    return fmt::format("giving it back failed as well ({}); run `{}`", error.what(), suggested("rollback"));
  }
}

void SlotBinder::return_to(const SavedState& saved) {
  // Auxiliary functions first: the driver of the GPU may look for them.
  for (auto function = saved.functions.rbegin(); function != saved.functions.rend(); ++function) {
    if (host_.files().kind(sysfs_device(function->address)) == FileKind::none) {
      context_.log(function->address.to_string() + " is gone: nothing to give back");
      continue;
    }
    if (function->driver == vfio) {
      prepare(read(function->address), saved.persistence);
      load_vfio();
      bind(*function, function->address == gpu_ ? saved.module : std::nullopt);
    }
    restore(*function);
  }
  const auto gpu = read_pci_function(host_.files(), gpu_);
  if (gpu && gpu->driver == vfio) return;
  services_.forget_module(gpu_, host_);
  services_.start_waiting(gpu_, host_, context_);
  if (saved.persistence && gpu) services_.set_persistence(*gpu, true, host_, context_);
}

void SlotBinder::restore(const SavedFunction& saved) {
  PciFunction now = read(saved.address);
  if (now.driver == vfio && saved.driver != vfio) {
    wait_until_free(now);
    context_.progress(fmt::format("{}: {} to {}", now.address.to_string(), vfio, shown(saved.driver)));
    write(now.address, sysfs_device(now.address) + "/driver/unbind", now.address.to_string());
    now.driver.clear();
  }
  if (const auto lock = unbind_lock(now)) release_unbind_lock(now.address, *lock);
  // Before the probe: with the override in place vfio-pci would take the function again. So it would with a saved one that
  // was never acted upon, as a killed run leaves it.
  const bool probes = now.driver.empty() && !saved.driver.empty();
  const bool leads_elsewhere = probes && !saved.driver_override.empty() && saved.driver_override != saved.driver;
  const std::string for_probe = leads_elsewhere ? "" : saved.driver_override;
  if (now.driver_override != for_probe) write_override(now.address, for_probe);
  if (probes) probe_again(now.address, saved.driver);
  if (leads_elsewhere) write_override(now.address, saved.driver_override);
  if (!saved.power_control.empty()) set_power_control(now.address, saved.power_control);
}

void SlotBinder::probe_again(const Bdf& address, const std::string& wanted) {
  write(address, drivers_probe, address.to_string());
  const std::string driver = read(address).driver;
  if (driver == wanted) return;
  const bool loaded = host_.files().kind("/sys/bus/pci/drivers/" + wanted) != FileKind::none;
  throw HostError(HostError::Kind::failed, sysfs_device(address) + "/driver",
                  fmt::format("{} did not go back to {}: it has {}; {}", address.to_string(), wanted, shown(driver),
                              loaded ? "`dmesg` says why" : fmt::format("that driver is not loaded, `modprobe {}` loads it",
                                                                        wanted)));
}

PciFunction SlotBinder::read(const Bdf& address) {
  try {
    const auto function = read_pci_function(host_.files(), address);
    if (function) return *function;
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw hang_error(address, error);
    throw;
  }
  throw HostError(HostError::Kind::not_found, sysfs_device(address),
                  fmt::format("{} has disappeared from the PCI bus; `dmesg | tail` says why (Xid 79: it fell off the bus); "
                              "`echo 1 > /sys/bus/pci/rescan` may bring it back, else switch the server off and on",
                              address.to_string()));
}

void SlotBinder::write(const Bdf& address, const std::string& path, const std::string& content) {
  try {
    host_.files().write(path, content, limit_);
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw hang_error(address, error);
    throw;
  }
}

// An empty string is not written at all by write(2); a line end alone clears the override.
void SlotBinder::write_override(const Bdf& address, const std::string& driver) {
  write(address, sysfs_device(address) + "/driver_override", driver + "\n");
}

bool SlotBinder::wait(const std::string& what, std::chrono::seconds limit, const std::function<bool()>& ready) {
  bool hung = false;
  try {
    context_.wait_until(what, limit, poll, [&] {
      try {
        return ready();
      } catch (const HostError& error) {
        hung = error.kind() == HostError::Kind::timed_out;
        throw;
      }
    });
    return true;
  } catch (const HostError& error) {
    if (hung || error.kind() != HostError::Kind::timed_out) throw;
    return false;
  }
}

}  // namespace gpuplan::vfio_bind
