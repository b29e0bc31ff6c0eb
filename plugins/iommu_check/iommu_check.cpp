#include "host_subject.h"
#include "plugin/plugin.h"

namespace gpuplan::iommu_check {

// Whether this host can do what the spec asks of it. Changes nothing, so there is never a step to do.
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
      return Schema{passthrough, iommu, remapping};
    }();
    return schema;
  }

  std::vector<Resource> expand(const Spec& spec) const override {
    Resource resource;
    resource.address = Address("iommu-check", "host");
    if (!spec.gpus.empty()) resource.declared.set("passthrough", true);
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

  Observation observe(const Resource& /*resource*/, const Prior& /*prior*/, HostReader& host) const override {
    Observation observed;
    observed.exists = true;
    const bool groups = count_iommu_groups(host.files()) > 0;
    observed.attributes.set("passthrough", groups);
    observed.attributes.set("iommu", groups ? read_iommu_table(host.files()) : std::string("none"));
    observed.attributes.set("interrupt_remapping", has_interrupt_remapping(host.files()));
    observed.read_from["passthrough"] = "/sys/kernel/iommu_groups";
    observed.read_from["iommu"] = "/sys/firmware/acpi/tables";
    observed.read_from["interrupt_remapping"] = "/proc/interrupts";
    return observed;
  }

  // A host that is not as declared fails its checks; no step could change it.
  Change compare(const Resource& resource, const Observation& observed, const Prior& /*prior*/) const override {
    Change change;
    change.address = resource.address;
    change.resource = resource;
    change.before = observed;
    return change;
  }

  void plan_removal(Change& change, const RemovalScope& /*scope*/) const override { change.has_withdraw = false; }
  Json capture(const Change& /*change*/, HostReader& /*host*/) const override { return Json::object(); }
  void apply(const Change&, const Json&, Host&, StepContext&) const override {}
  void undo(Stage, const Change&, const Json&, Host&, StepContext&) const override {}

 private:
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
