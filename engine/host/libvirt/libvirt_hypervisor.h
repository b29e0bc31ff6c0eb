// The Hypervisor port on libvirt. The only user of libvirt.
#pragma once

#include <memory>
#include <string>

#include "host/ports.h"

namespace gpuplan {

// Connects to `uri` at the first call, and again after the connection broke (libvirtd restarted).
// Every libvirt error becomes a HostError with libvirt's own message in a whole sentence; libvirt itself
// prints none any more. The process must ignore SIGPIPE (Interrupt::install_handlers does): libvirt's
// client writes to connections that broke.
// Images from the web are kept in `download_directory` (see KeptDownloads); an empty one refuses them.
std::unique_ptr<Hypervisor> make_libvirt_hypervisor(const std::string& uri, const std::string& download_directory);

}  // namespace gpuplan
