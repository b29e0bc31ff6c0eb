#include "boot_parameters.h"
#include "host_subject.h"
#include "plugin/plugin.h"

namespace gpuplan::iommu_check {
namespace {

constexpr const char* iommu_at_boot = "iommu_at_boot";

}  // namespace

// Whether this host can do what the spec asks of it. Changes nothing but, if the spec allows it, what GRUB hands to the
// kernel.
class IommuCheck : public StepKind {
 public:
  std::string_view kind() const override { return "iommu-check"; }

  const Schema& schema() const override {
    static const Schema schema = [] {
      AttributeSchema passthrough;
      passthrough.name = "passthrough";
      passthrough.type = ValueType::boolean;
      AttributeSchema iommu;
      iommu.name = "iommu";
      iommu.computed = true;
      AttributeSchema remapping;
      remapping.name = "interrupt_remapping";
      remapping.type = ValueType::boolean;
      remapping.computed = true;
      AttributeSchema at_boot;
      at_boot.name = iommu_at_boot;
      at_boot.type = ValueType::boolean;
      return Schema{passthrough, iommu, remapping, at_boot};
    }();
    return schema;
  }

  std::vector<Resource> expand(const Spec& spec) const override {
    Resource resource;
    resource.address = Address("iommu-check", "host");
    if (!spec.gpus.empty()) resource.declared.set("passthrough", true);
    if (!spec.gpus.empty() && spec.host.configure_boot) resource.declared.set(iommu_at_boot, true);
    return {resource};
  }

  std::vector<CheckResult> check(const Resource& resource, const Spec& spec, const Prior& /*prior*/,
                                 HostReader& host) const override {
    const HostSubject subject{resource, spec, host};
    std::vector<CheckResult> results;
    // First what only the firmware, a reboot or another server can mend: the rest may be work for nothing.
    if (subject.has_gpus()) {
      add(results, "iommu-firmware", subject, check_iommu_firmware);
      add(results, "iommu-groups", subject, check_iommu_groups);
      add(results, "interrupt-remapping", subject, check_interrupt_remapping);
      add(results, "unsafe-interrupts", subject, check_unsafe_interrupts);
      add(results, "vfio-modules", subject, check_vfio_modules);
      add(results, "nvswitch", subject, check_nvswitch);
    }
    if (!subject.vms().empty()) {
      if (spec.host.accel == "kvm") {
        add(results, "cpu-virtualization", subject, check_cpu_virtualization);
        // Where it is missing, the check above says why.
        if (host.files().kind("/dev/kvm") != FileKind::none) add(results, "kvm-access", subject, check_kvm_access);
      }
      add(results, "packages", subject, check_packages);
      add(results, "libvirt", subject, check_libvirt);
      add(results, "memory-size", subject, check_memory);
      for (CheckResult& result : check_hugepages(subject)) results.push_back(std::move(result));
      add(results, "network-collision", subject, check_network);
    }
    return results;
  }

  Observation observe(const Resource& resource, const Prior& prior, HostReader& host) const override {
    Observation observed;
    observed.exists = true;
    const bool groups = count_iommu_groups(host.files()) > 0;
    observed.attributes.set("passthrough", groups);
    observed.attributes.set("iommu", groups ? read_iommu_table(host.files()) : std::string("none"));
    observed.attributes.set("interrupt_remapping", has_interrupt_remapping(host.files()));
    observed.read_from["passthrough"] = "/sys/kernel/iommu_groups";
    observed.read_from["iommu"] = "/sys/firmware/acpi/tables";
    observed.read_from["interrupt_remapping"] = "/proc/interrupts";
    const bool was_declared = prior.declared.flag(iommu_at_boot);
    if (resource.declared.flag(iommu_at_boot) || was_declared) {
      // An IOMMU that is in use without gpuplan's help will be in use again.
      observed.attributes.set(iommu_at_boot, is_iommu_set_for_boot(host.files()) || (groups && !was_declared));
      observed.read_from[iommu_at_boot] = grub_menu;
    }
    return observed;
  }

  // Otherwise a host that is not as declared fails its checks: no step could change it.
  Change compare(const Resource& resource, const Observation& observed, const Prior& prior) const override {
    Change change;
    change.address = resource.address;
    change.resource = resource;
    change.before = observed;
    const bool wanted = resource.declared.flag(iommu_at_boot);
    const bool is = observed.attributes.flag(iommu_at_boot);
    if (wanted == is || !(wanted || prior.declared.flag(iommu_at_boot))) return change;
    change.action = Action::update;
    change.has_apply = true;
    change.needs_reboot = wanted && !observed.attributes.flag("passthrough");
    change.attributes.push_back({iommu_at_boot, is, wanted, true, false, false});
    change.reasons.emplace_back(wanted ? "the kernel needs intel_iommu=on, and `host.configure_boot` is true"
                                       : "`host.configure_boot` is no longer true");
    change.notes.emplace_back(wanted ? "writes /etc/default/grub.d/90-gpuplan.cfg and runs update-grub" : kept_until_reboot);
    return change;
  }

  void plan_removal(Change& change, const RemovalScope& /*scope*/) const override {
    change.has_withdraw = change.resource.declared.flag(iommu_at_boot);
    if (change.has_withdraw) change.notes.emplace_back(kept_until_reboot);
  }

  Json capture(const Change& /*change*/, HostReader& host) const override { return capture_boot(host.files()); }

  void apply(const Change& change, const Json&, Host& host, StepContext& context) const override {
    context.progress("updating GRUB's menu");
    if (change.resource.declared.flag(iommu_at_boot)) set_iommu_for_boot(host);
    else unset_iommu_for_boot(host);
  }

  void withdraw(const Change&, const Json&, const Json& origin, Host& host, StepContext& context) const override {
    context.progress("updating GRUB's menu");
    restore_boot(origin, host);
  }

  void undo(Stage, const Change&, const Json& captured, Host& host, StepContext& context) const override {
    context.progress("updating GRUB's menu");
    restore_boot(captured, host);
  }

 private:
  static constexpr const char* kept_until_reboot =
      "takes gpuplan's kernel parameters out of GRUB's menu; the running kernel keeps them until it is rebooted";

  using Check = CheckResult (*)(const HostSubject&);

  // A device that hangs while it is looked at fails that check; the others still say what they find.
  static void add(std::vector<CheckResult>& results, const std::string& name, const HostSubject& subject, Check look) {
    try {
      results.push_back(look(subject));
    } catch (const HostError& error) {
      const bool is_kernel_file = error.subject().rfind("/sys/", 0) == 0 || error.subject().rfind("/proc/", 0) == 0;
      if (error.kind() != HostError::Kind::timed_out || !is_kernel_file) throw;
      CheckResult result = subject.result(name, CheckStatus::fail, error.what(), error.subject(),
                                          "a device hangs: reboot this host, nothing else brings it back");
      result.needs_reboot = true;
      results.push_back(std::move(result));
    }
  }
};

}  // namespace gpuplan::iommu_check

GPUPLAN_PLUGIN(gpuplan::iommu_check::IommuCheck, "iommu-check", "checks that the host can do what the spec asks of it");
