#include "host/guard/disk_faults.h"

#include <fmt/format.h>

#include <csignal>

namespace gpuplan {

DiskFaults::DiskFaults(const std::vector<Fault>& faults) {
  for (const Fault& fault : faults) {
    if (fault.disk_write > 0) faults_.push_back(fault);
    if (fault.disk_write > 0 || fault.effect == FaultEffect::power_cut) concern_the_disk_ = true;
  }
}

DiskAnswer DiskFaults::before_write() {
  const std::int64_t number = ++writes_;
  DiskAnswer answer = DiskAnswer::done;
  for (const Fault& fault : faults_) {
    if (fault.effect == FaultEffect::power_cut && fault.disk_write == number) std::raise(SIGKILL);
    if (fault.effect == FaultEffect::io_error && fault.disk_write == number) answer = DiskAnswer::io_error;
    if (fault.effect == FaultEffect::disk_full && fault.disk_write <= number) answer = DiskAnswer::full;
    if (fault.effect == FaultEffect::read_only && fault.disk_write <= number) answer = DiskAnswer::read_only;
  }
  return answer;
}

std::vector<std::string> DiskFaults::unstruck_faults() const {
  std::vector<std::string> out;
  for (const Fault& fault : faults_) {
    if (fault.disk_write > writes_) out.push_back(fmt::format("disk:{}", fault.disk_write));
  }
  return out;
}

}  // namespace gpuplan
