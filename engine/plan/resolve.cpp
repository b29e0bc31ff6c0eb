#include "plan/resolve.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/pci/nvidia/driver.h"
#include "host/pci/pci.h"

namespace gpuplan {
namespace {

bool is_wanted(const PciFunction& function, const std::vector<PciId>& ids) {
  if (ids.empty()) return is_usual_gpu(function);
  return function.is_gpu() && std::count(ids.begin(), ids.end(), function.id) > 0;
}

// "0000:03:00.0 (1a03:2000), …" or "none".
std::string all_gpus(const std::vector<PciFunction>& functions) {
  std::string text;
  for (const PciFunction& function : functions) {
    if (!function.is_gpu()) continue;
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", function.address.to_string(), function.id.to_string());
  }
  return text.empty() ? "none" : text;
}

void require_indexes(const Spec& spec, Diagnostics& diagnostics) {
  for (const WorkerSpec& worker : spec.workers) {
    for (const std::size_t index : worker.gpu_indexes) {
      if (index < spec.gpus.size()) continue;
      diagnostics.error(locate(spec, "worker_gpu_assignment." + worker.key),
                        fmt::format("{} is assigned GPU {}, but this host has {}", worker.key, index,
                                    spec.gpus.size() == 1 ? std::string("1 GPU")
                                                          : fmt::format("{} GPUs", spec.gpus.size())),
                        fmt::format("use indexes from 0 to {}", spec.gpus.size() - 1));
    }
  }
}

}  // namespace

void resolve_gpus(Spec& spec, HostReader& host, Diagnostics& diagnostics) {
  if (!spec.gpus_auto) return;
  const SourceLocation where = locate(spec, "gpus");
  const auto functions = read_pci_functions(host.files());
  spec.gpus.clear();
  for (const PciFunction& function : functions) {
    if (!is_wanted(function, spec.gpu_device_ids)) continue;
    if (function.boot_display) {
      diagnostics.warning(where, fmt::format("`gpus: auto` leaves out {}, on which this host boots",
                                             function.address.to_string()));
      continue;
    }
    GpuSpec gpu;
    gpu.address = function.address;
    gpu.where = where;
    spec.gpus.push_back(gpu);
  }
  if (spec.gpus.empty()) {
    diagnostics.error(where, fmt::format("`gpus: auto` finds no GPU{}; display controllers of this host: {}",
                                         spec.gpu_device_ids.empty() ? " of NVIDIA" : " with one of the gpu_device_ids",
                                         all_gpus(functions)),
                      "list the GPUs, or correct gpu_device_ids");
    return;
  }
  require_indexes(spec, diagnostics);
}

}  // namespace gpuplan
