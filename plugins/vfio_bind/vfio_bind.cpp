#include <fmt/format.h>

#include <set>

#include <algorithm>

#include "boot_binding.h"
#include "checks.h"
#include "host/pci/pci.h"
#include "plugin/plugin.h"
#include "saved_state.h"
#include "services.h"
#include "slot_binder.h"

namespace gpuplan::vfio_bind {
namespace {

constexpr const char* kind_name = "vfio-bind";
constexpr const char* stop_services = "stop_services";
constexpr const char* at_boot = "at_boot";

Bdf bdf_of(const Address& address) { return parse_bdf(address.name()).value_or(Bdf{}); }

// A device file of the kernel that does not answer means a device that hangs, whoever noticed first.
template <typename Work>
void naming_hangs(const Bdf& gpu, const Work& work) {
  try {
    work();
  } catch (const HostError& error) {
    const bool kernel_file = error.subject().rfind("/sys/", 0) == 0 || error.subject().rfind("/proc/", 0) == 0;
    const bool named = std::string(error.what()).find("reboot") != std::string::npos;
    if (error.kind() == HostError::Kind::timed_out && kernel_file && !named) throw hang_error(gpu, error);
    throw;
  }
}

}  // namespace

// Takes a GPU from the host's driver and gives it to vfio-pci, with all functions of its slot.
class VfioBind : public StepKind {
 public:
  std::string_view kind() const override { return kind_name; }

  const Schema& schema() const override {
    static const Schema schema = [] {
      AttributeSchema driver;
      driver.name = "driver";
      AttributeSchema functions;
      functions.name = "functions";
      functions.type = ValueType::list;
      functions.computed = true;
      AttributeSchema services;
      services.name = stop_services;
      services.type = ValueType::list;
      AttributeSchema boot;
      boot.name = at_boot;
      boot.type = ValueType::boolean;
      return Schema{driver, functions, services, boot};
    }();
    return schema;
  }

  std::vector<Resource> expand(const Spec& spec) const override {
    std::vector<Resource> resources;
    std::set<std::size_t> used;  // a GPU that no worker uses stays with the host
    for (const WorkerSpec& worker : spec.workers) used.insert(worker.gpu_indexes.begin(), worker.gpu_indexes.end());
    for (const std::size_t index : used) {
      const GpuSpec& gpu = spec.gpus.at(index);
      Resource resource;
      resource.address = Address(kind_name, gpu.address.to_string());
      resource.declared.set("driver", std::string("vfio-pci"));
      const std::vector<std::string> services = stoppable_services(spec);
      if (!services.empty()) resource.declared.set(stop_services, services);
      if (spec.host.persist_bindings) resource.declared.set(at_boot, true);
      resource.depends_on.emplace_back("iommu-check", "host");
      if (gpu.where.file) resource.where = gpu.where;
      resources.push_back(std::move(resource));
    }
    return resources;
  }

  std::vector<CheckResult> check(const Resource& resource, const Spec& spec, const Prior& prior,
                                 HostReader& host) const override {
    return check_gpu(resource, spec, prior, host);
  }

  // What gpuplan made exists as long as any function still shows it; of somebody else's work only a
  // slot that is wholly on vfio-pci counts.
  Observation observe(const Resource& resource, const Prior& prior, HostReader& host) const override {
    Observation observed;
    const Bdf gpu = bdf_of(resource.address);
    const auto functions = read_slot_functions(host.files(), gpu);
    if (functions.empty()) return observed;
    const std::string driver = driver_text(functions);
    const auto shows_our_work = [](const PciFunction& function) {
      return function.driver == "vfio-pci" || function.driver_override == "vfio-pci" || function.driver.empty();
    };
    observed.exists = driver == "vfio-pci" ||
                      (prior.owned && std::any_of(functions.begin(), functions.end(), shows_our_work));
    std::vector<std::string> addresses;
    for (const PciFunction& function : functions) addresses.push_back(function.address.to_string());
    observed.attributes.set("driver", driver);
    observed.attributes.set("functions", addresses);
    // A permission, no state of the host: it never differs, and stands there for the notes.
    const std::vector<std::string> services = resource.declared.list(stop_services);
    if (!services.empty()) observed.attributes.set(stop_services, services);
    // What somebody else has set up for the next boot is not looked at unless the spec says so.
    if (resource.declared.flag(at_boot) || prior.declared.flag(at_boot)) {
      observed.attributes.set(at_boot, is_bound_at_boot(functions, host));
      observed.read_from[at_boot] = "/etc/driverctl.d, /etc/systemd/system";
    }
    observed.read_from["driver"] = sysfs_device(gpu) + "/driver";
    observed.read_from["functions"] = "/sys/bus/pci/devices";
    return observed;
  }

  Change compare(const Resource& resource, const Observation& observed, const Prior& prior) const override {
    Change change = compare_by_schema(schema(), resource, observed);
    if (no_longer_at_boot(resource.declared, prior.declared) && observed.attributes.flag(at_boot)) drop_at_boot(change);
    const auto functions = observed.attributes.list("functions");
    if (change.action == Action::create && !functions.empty()) describe_taking(change, observed);
    if (change.action == Action::none) return change;
    if (change.action == Action::create && prior.owned) {
      change.notes.emplace_back(resource.declared.flag(at_boot)
                                    ? "gpuplan had taken it before; somebody has given it back since"
                                    : "gpuplan had taken it before; a reboot gives it back unless the spec has "
                                      "`host: {persist_bindings: true}`");
    }
    if (resource.declared.flag(at_boot) && !observed.attributes.flag(at_boot)) {
      change.notes.push_back("is bound again at each boot, before other drivers and libvirt start");
    }
    for (const std::string& function : functions) {
      if (function != resource.address.name()) change.notes.push_back(function + " travels along");
    }
    for (const std::string& service : resource.declared.list(stop_services)) {
      change.notes.push_back(fmt::format("stops {} if that has it open; it runs again when the GPUs are back", service));
    }
    return change;
  }

  void plan_removal(Change& change, const RemovalScope& scope) const override {
    StepKind::plan_removal(change, scope);
    drop_services(change);
    // The driver from before stands in the undo record, which a plan does not see: unknown, but not none.
    for (AttributeChange& item : change.attributes) {
      if (item.name == "driver") item.known = false;
    }
    change.notes.push_back("returns to the driver that it had before gpuplan took it");
    for (const std::string& service : change.resource.declared.list(stop_services)) {
      change.notes.push_back(fmt::format("starts {} again if it was stopped for it", service));
    }
  }

  Json capture(const Change& change, HostReader& host) const override {
    return to_json(read_state(bdf_of(change.address), host));
  }

  void apply(const Change& change, const Json& captured, Host& host, StepContext& context) const override {
    const Bdf gpu = bdf_of(change.address);
    naming_hangs(gpu, [&] {
      SlotBinder(gpu, host, context, services_).take(saved_state_from_json(captured));
      const auto functions = read_slot_functions(host.files(), gpu);
      if (change.resource.declared.flag(at_boot)) bind_at_boot(functions, host);
      else if (change.before.attributes.flag(at_boot)) stop_binding_at_boot(functions, host);
    });
  }

  void withdraw(const Change& change, const Json& /*captured*/, const Json& origin, Host& host,
                StepContext& context) const override {
    return_to(change, origin, host, context);
  }

  void undo(Stage /*stage*/, const Change& change, const Json& captured, Host& host,
            StepContext& context) const override {
    return_to(change, captured, host, context);
  }

 private:
  static void drop_services(Change& change) {
    change.attributes.erase(std::remove_if(change.attributes.begin(), change.attributes.end(),
                                           [](const AttributeChange& item) { return item.name == stop_services; }),
                            change.attributes.end());
  }

  static bool no_longer_at_boot(const Attributes& declared, const Attributes& before) {
    return before.flag(at_boot) && !declared.flag(at_boot);
  }

  static void drop_at_boot(Change& change) {
    if (change.action == Action::none) {
      change.action = Action::update;
      change.has_apply = true;
    }
    AttributeChange item;
    item.name = at_boot;
    item.before = true;
    item.after = false;
    change.attributes.push_back(std::move(item));
    change.reasons.emplace_back("`host.persist_bindings` is no longer true");
  }

  // The device is there and is taken from a driver: that is no "does not exist".
  static void describe_taking(Change& change, const Observation& observed) {
    const std::string driver = observed.attributes.text("driver");
    change.reasons = {fmt::format("`driver` is {}, the spec says vfio-pci", driver)};
    change.attributes.erase(std::remove_if(change.attributes.begin(), change.attributes.end(),
                                           [](const AttributeChange& item) {
                                             return item.name != "driver" && item.name != at_boot;
                                           }),
                            change.attributes.end());
    for (AttributeChange& item : change.attributes) {
      if (item.name == "driver") item.before = driver;
    }
  }

  void return_to(const Change& change, const Json& saved, Host& host, StepContext& context) const {
    const Bdf gpu = bdf_of(change.address);
    const SavedState state = saved_state_from_json(saved);
    naming_hangs(gpu, [&] {
      const auto functions = read_slot_functions(host.files(), gpu);
      const bool ours = change.resource.declared.flag(at_boot) || change.before.attributes.flag(at_boot);
      // First: should the rest hang, the next boot brings the GPU back.
      if (ours && !state.bound_at_boot) stop_binding_at_boot(functions, host);
      SlotBinder(gpu, host, context, services_).return_to(state);
      if (ours && state.bound_at_boot) bind_at_boot(functions, host);
    });
  }

  mutable SharedServices services_;
};

}  // namespace gpuplan::vfio_bind

GPUPLAN_PLUGIN(gpuplan::vfio_bind::VfioBind, "vfio-bind", "binds the GPUs of the spec to vfio-pci, whole slots at a time");
