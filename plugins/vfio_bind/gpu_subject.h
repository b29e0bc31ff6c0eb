// One declared GPU on its host, as the checks see it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/pci/pci.h"
#include "plugin/plugin.h"

namespace gpuplan::vfio_bind {

// Read once; the checks only look at it.
struct GpuSubject {
  const Resource& resource;
  const Spec& spec;
  HostReader& host;
  Bdf address;
  GpuSpec declared;                    // of the spec
  PciFunction gpu;
  std::vector<PciFunction> functions;  // of its slot

  CheckResult result(std::string name, CheckStatus status, std::string found, std::string read_from,
                     std::string remedy = {}) const;
  CheckResult pass(std::string name, std::string found, std::string read_from) const;
};

// "0000:0a:00.1 (Audio device, driver snd_hda_intel)"
std::string describe(const PciFunction& function);

// checks_of_device.cpp: what the device itself is.
CheckResult check_class(const GpuSubject& subject);
CheckResult check_device_id(const GpuSubject& subject);
CheckResult check_audio(const GpuSubject& subject);
CheckResult check_boot_display(const GpuSubject& subject);
CheckResult check_framebuffer(const GpuSubject& subject);
CheckResult check_nouveau(const GpuSubject& subject);
CheckResult check_sriov(const GpuSubject& subject);
CheckResult check_mig(const GpuSubject& subject);
CheckResult check_reset(const GpuSubject& subject);
CheckResult check_bars(const GpuSubject& subject);
CheckResult check_numa(const GpuSubject& subject);

// checks_of_use.cpp: who else is concerned.
CheckResult check_group(const GpuSubject& subject);
CheckResult check_in_use(const GpuSubject& subject);
CheckResult check_domains(const GpuSubject& subject);

}  // namespace gpuplan::vfio_bind
