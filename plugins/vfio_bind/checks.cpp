#include "checks.h"

#include <fmt/format.h>

#include "gpu_subject.h"

namespace gpuplan::vfio_bind {
namespace {

GpuSpec declaration_of(const Spec& spec, const Bdf& address) {
  for (const GpuSpec& gpu : spec.gpus) {
    if (gpu.address == address) return gpu;
  }
  GpuSpec unknown;
  unknown.address = address;
  return unknown;
}

CheckResult missing(const GpuSubject& subject) {
  const std::string wanted = subject.address.to_string();
  std::vector<std::string> names;
  std::string present;
  for (const PciFunction& function : read_pci_functions(subject.host.files())) {
    if (!function.is_gpu() || function.boot_display) continue;  // the boot display would be refused next
    names.push_back(function.address.to_string());
    present += fmt::format("{}{} ({})", present.empty() ? "" : ", ", names.back(), function.id.to_string());
  }
  const std::string nearest = did_you_mean(wanted, std::vector<std::string_view>(names.begin(), names.end()));
  std::string remedy = present.empty() ? "this host has no GPU at all; see `gpuplan discover --all`" : "GPUs on this host: " + present;
  if (!nearest.empty()) remedy += fmt::format("; did you mean {}?", nearest);
  return subject.result("exists", CheckStatus::fail, fmt::format("there is no PCI device {}", wanted),
                        sysfs_device(subject.address), remedy);
}

CheckResult hung(const GpuSubject& subject, const std::string& found, const std::string& read_from) {
  CheckResult result = subject.result("hung-device", CheckStatus::fail, found, read_from,
                                      "reboot this host: nothing else brings the device back");
  result.needs_reboot = true;
  return result;
}

// The device that a path of sysfs or of the nvidia driver belongs to; the fallback if it names none.
Bdf device_of(const std::string& path, const Bdf& fallback) {
  constexpr std::size_t length = 12;  // "0000:0a:00.0"
  for (std::size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
    if (const auto address = parse_bdf(std::string_view(path).substr(at + 1, length))) return *address;
  }
  return fallback;
}

std::vector<CheckResult> check_present(const GpuSubject& subject) {
  std::vector<CheckResult> results = {
      subject.pass("exists", fmt::format("{} is {} {}", subject.address.to_string(), class_name(subject.gpu),
                                         subject.gpu.id.to_string()), sysfs_device(subject.address))};
  // One by one: what g++ 11 makes of a list of their results leaks those before one that throws.
  for (const auto check :
       {check_class, check_device_id, check_audio, check_group, check_in_use, check_domains, check_boot_display,
        check_framebuffer, check_nouveau, check_sriov, check_mig, check_reset, check_bars, check_numa}) {
    results.push_back(check(subject));
  }
  return results;
}

}  // namespace

CheckResult GpuSubject::result(std::string name, CheckStatus status, std::string found, std::string read_from,
                               std::string remedy) const {
  CheckResult check;
  check.name = std::move(name);
  check.address = resource.address;
  check.status = status;
  check.found = std::move(found);
  check.read_from = std::move(read_from);
  check.remedy = std::move(remedy);
  check.where = resource.where;
  return check;
}

CheckResult GpuSubject::pass(std::string name, std::string found, std::string read_from) const {
  return result(std::move(name), CheckStatus::pass, std::move(found), std::move(read_from));
}

std::string describe(const PciFunction& function) {
  return fmt::format("{} ({}, {})", function.address.to_string(), class_name(function),
                     function.driver.empty() ? "no driver" : "driver " + function.driver);
}

std::vector<CheckResult> check_gpu(const Resource& resource, const Spec& spec, const Prior& /*prior*/,
                                   HostReader& host) {
  const Bdf address = parse_bdf(resource.address.name()).value_or(Bdf{});
  GpuSubject subject{resource, spec, host, address, declaration_of(spec, address), {}, {}};
  try {
    const auto gpu = read_pci_function(host.files(), address);
    if (!gpu) return {missing(subject)};
    subject.gpu = *gpu;
    subject.functions = read_slot_functions(host.files(), address);
    if (is_off_the_bus(host.files(), address)) {
      return {hung(subject, fmt::format("{} does not answer: its configuration space reads as all ones",
                                        address.to_string()), sysfs_device(address) + "/config")};
    }
    return check_present(subject);
  } catch (const HostError& error) {
    if (error.kind() != HostError::Kind::timed_out) throw;
    // Looking at its neighbours can meet another device that hangs.
    const Bdf culprit = device_of(error.subject(), address);
    return {hung(subject, fmt::format("{} hangs: {}", culprit.to_string(), error.what()), error.subject())};
  }
}

}  // namespace gpuplan::vfio_bind
