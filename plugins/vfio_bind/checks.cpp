#include "checks.h"

#include <fmt/format.h>

#include <algorithm>

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

bool is_listed(const Spec& spec, const Bdf& address) {
  return std::any_of(spec.gpus.begin(), spec.gpus.end(), [&](const GpuSpec& gpu) { return gpu.address == address; });
}

// Addresses have one form, so a slip of the finger is one character in its place.
bool is_one_off(const std::string& a, const std::string& b) {
  if (a.size() != b.size()) return false;
  int differences = 0;
  for (std::size_t i = 0; i < a.size(); ++i) differences += a[i] != b[i] ? 1 : 0;
  return differences == 1;
}

// The GPUs of this host but for its boot display, which would be refused next.
std::string instead_of_missing(const GpuSubject& subject) {
  std::string present, boot_display, meant;
  for (const PciFunction& function : read_pci_functions(subject.host.files())) {
    if (!function.is_gpu()) continue;
    const std::string address = function.address.to_string();
    if (function.boot_display) {
      boot_display = address;
      continue;
    }
    present += fmt::format("{}{} ({})", present.empty() ? "" : ", ", address, function.id.to_string());
    if (meant.empty() && is_one_off(address, subject.address.to_string()) && !is_listed(subject.spec, function.address)) {
      meant = address;
    }
  }
  if (present.empty() && boot_display.empty()) return "this host has no GPU at all; see `gpuplan discover --all`";
  if (present.empty()) {
    return fmt::format("the only GPU of this host is the one it boots on ({}), which cannot be given away", boot_display);
  }
  return fmt::format("GPUs on this host: {}; {}", present,
                     meant.empty() ? "correct `gpus`, or let `gpuplan init` write a spec for this host"
                                   : fmt::format("did you mean {}?", meant));
}

CheckResult missing(const GpuSubject& subject) {
  return subject.result("exists", CheckStatus::fail, fmt::format("there is no PCI device {}", subject.address.to_string()),
                        sysfs_device(subject.address), instead_of_missing(subject));
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
  results.push_back(check_class(subject));
  // Of what is no GPU, advice about GPUs would only lead astray.
  if (results.back().status == CheckStatus::fail) return results;
  // One by one: what g++ 11 makes of a list of their results leaks those before one that throws.
  for (const auto check :
       {check_device_id, check_audio, check_group, check_in_use, check_domains, check_boot_display,
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
