#include <algorithm>
#include <sstream>

#include "host_subject.h"

namespace gpuplan::iommu_check {
namespace {

bool has_word(const std::string& text, const std::string& word) {
  std::istringstream words(text);
  for (std::string each; words >> each;) {
    if (each == word) return true;
  }
  return false;
}

// The text behind "KEY=" in a file of assignments, without quotes.
std::string assigned(const std::string& text, const std::string& key) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(key + "=", 0) != 0) continue;
    std::string value = line.substr(key.size() + 1);
    value.erase(std::remove(value.begin(), value.end(), '"'), value.end());
    return value;
  }
  return {};
}

}  // namespace

CheckResult HostSubject::result(std::string name, CheckStatus status, std::string found, std::string read_from,
                                std::string remedy, const std::string& where) const {
  CheckResult check;
  check.name = std::move(name);
  check.address = resource.address;
  check.status = status;
  check.found = std::move(found);
  check.read_from = std::move(read_from);
  check.remedy = std::move(remedy);
  if (!where.empty() && spec.file) check.where = locate(spec, where);
  return check;
}

CheckResult HostSubject::pass(std::string name, std::string found, std::string read_from) const {
  return result(std::move(name), CheckStatus::pass, std::move(found), std::move(read_from));
}

std::vector<DeclaredVm> HostSubject::vms() const {
  std::vector<DeclaredVm> vms;
  if (!spec.control_plane.name.empty()) vms.push_back({spec.control_plane.name, spec.control_plane.resources, nullptr});
  for (const WorkerSpec& worker : spec.workers) vms.push_back({worker.name, worker.resources, &worker});
  return vms;
}

std::string HostSubject::read(const std::string& path) const { return read_trimmed(host.files(), path).value_or(""); }

CpuFacts read_cpu(FileReader& files) {
  CpuFacts facts;
  std::istringstream lines(read_trimmed(files, "/proc/cpuinfo").value_or(""));
  for (std::string line; std::getline(lines, line) && !line.empty();) {
    const std::string value = line.substr(std::min(line.size(), line.find(':') + 1));
    if (line.rfind("vendor_id", 0) == 0) {
      facts.is_intel = has_word(value, "GenuineIntel");
      facts.is_amd = has_word(value, "AuthenticAMD");
    } else if (line.rfind("flags", 0) == 0) {
      facts.has_virtualization = has_word(value, "vmx") || has_word(value, "svm");
      facts.is_guest = has_word(value, "hypervisor");
    }
  }
  return facts;
}

std::string read_iommu_table(FileReader& files) {
  if (files.kind("/sys/firmware/acpi/tables/DMAR") != FileKind::none) return "intel";
  if (files.kind("/sys/firmware/acpi/tables/IVRS") != FileKind::none) return "amd";
  return "none";
}

std::size_t count_iommu_groups(FileReader& files) {
  try {
    return files.list("/sys/kernel/iommu_groups").size();
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw;
    return 0;
  }
}

bool has_interrupt_remapping(FileReader& files) {
  std::istringstream words(read_trimmed(files, "/proc/interrupts").value_or(""));
  for (std::string word; words >> word;) {
    if (word.rfind("IR-", 0) == 0) return true;
  }
  return false;
}

PackageFamily read_package_family(FileReader& files) {
  const std::string text = read_trimmed(files, "/etc/os-release").value_or("");
  const std::string names = assigned(text, "ID") + " " + assigned(text, "ID_LIKE");
  for (const char* name : {"debian", "ubuntu"}) {
    if (has_word(names, name)) return PackageFamily::apt;
  }
  for (const char* name : {"fedora", "rhel", "centos", "rocky", "almalinux"}) {
    if (has_word(names, name)) return PackageFamily::dnf;
  }
  for (const char* name : {"suse", "sles", "opensuse"}) {
    if (has_word(names, name)) return PackageFamily::zypper;
  }
  return PackageFamily::unknown;
}

}  // namespace gpuplan::iommu_check
