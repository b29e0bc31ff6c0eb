// Which URIs of libvirt a spec may have.
#pragma once

#include <string_view>

namespace gpuplan {

// True for qemu:///system and qemu:///session, by their own or by another socket (qemu+unix:///system?socket=/run/x), and
// for test:///default. Nothing else is let through: libvirt's parameters `command` and `netcat` name programs, which it runs
// as the user of this process.
bool is_local_libvirt(std::string_view uri);

// What to do about a URI that is not.
constexpr std::string_view local_libvirt_remedy =
    "the usual one is qemu:///system; of parameters there is ?socket=/PATH alone";

}  // namespace gpuplan
