// From the --host flag to a Host. The only place that knows which kinds of host there are.
#pragma once

#include <memory>
#include <string>

#include "host/ports.h"
#include "report/diagnostic.h"

namespace gpuplan {

struct HostOptions {
  std::string name = "local";      // "local" or "sim:FILE"
  std::string state_dir;           // a simulated host keeps its current model below it
  std::string libvirt_uri = "qemu:///system";
  std::string download_directory;  // where it keeps images from the web; may be empty
  std::string key_directory;       // where a real host keeps the ssh keys of the cluster; may be empty
};

struct OpenedHost {
  std::unique_ptr<Host> host;
  bool simulated = false;          // decides whether --fault is allowed, and nothing else
};

// Whether a host of this name is a simulated one. The file that it names may be absent or wrong.
bool is_simulated(const std::string& name);

// Problems (an unknown name, a missing or invalid file) are added to `diagnostics` and leave `host`
// empty. Opening changes nothing.
OpenedHost open_host(const HostOptions& options, Diagnostics& diagnostics);

}  // namespace gpuplan
