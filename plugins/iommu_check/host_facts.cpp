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
  if (spec.kubernetes.enabled && !spec.control_plane.machine && !spec.control_plane.name.empty())
    vms.push_back({spec.control_plane.name, spec.control_plane.resources, nullptr});
  for (const WorkerSpec& worker : spec.workers) {
    if (!worker.machine) vms.push_back({worker.name, worker.resources, &worker});
  }
  return vms;
}

std::string HostSubject::read(const std::string& path) const { return read_trimmed(host.files(), path).value_or(""); }

std::string read_system_id(FileReader& files) {
  return assigned(read_trimmed(files, "/etc/os-release").value_or(""), "ID");
}

std::string libvirt_service(FileReader& files) {
  return read_package_family(files) == PackageFamily::dnf ? "virtqemud" : "libvirtd";
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
