// Files on a guest, for whatever runs commands there as root.
#pragma once

#include <optional>
#include <string>

#include "host/ssh/key_store.h"

namespace gpuplan {

// "gpu-worker-1 (192.168.130.21)". Pure.
std::string shown(const GuestTarget& guest);
// The last line that is not blank. Pure.
std::string last_line(const std::string& text);

// As the members of the Guests port. `run` runs one command on the guest; what it throws is passed on.
std::optional<std::string> get_file(const CommandRunner& run, const GuestTarget& guest, const std::string& path);
void put_file(const CommandRunner& run, const GuestTarget& guest, const std::string& path, const std::string& content, unsigned mode);
void remove_file(const CommandRunner& run, const GuestTarget& guest, const std::string& path);

}  // namespace gpuplan
