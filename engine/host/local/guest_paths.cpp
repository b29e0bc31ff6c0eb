#include "host/local/guest_paths.h"

#include <fmt/format.h>

namespace gpuplan {

std::optional<std::string> GuestPaths::addresses_by_agent(const GuestTarget& guest) {
  return guest.is_machine() ? std::nullopt : agent_.addresses(guest.node);
}

CommandResult GuestPaths::run_by_agent(const GuestTarget& guest, const Command& command, const HostError& by_ssh) {
  if (!addresses_by_agent(guest)) throw by_ssh;
  try {
    return agent_.run(guest.node, command);
  } catch (const HostError& error) {
    throw HostError(error.kind(), error.subject(),
                    fmt::format("{}; its guest agent was asked instead, as {}", error.what(), by_ssh.what()), error.output_tail());
  }
}

CommandResult GuestPaths::query(const GuestTarget& guest, const Command& command) {
  try {
    return ssh_.query(guest, command);
  } catch (const HostError& error) {
    if (error.kind() != HostError::Kind::unreachable) throw;
    return run_by_agent(guest, command, error);
  }
}

CommandResult GuestPaths::run(const GuestTarget& guest, const Command& command) {
  try {
    return ssh_.run(guest, command);
  } catch (const HostError& error) {
    if (!never_reached(error)) throw;
    return run_by_agent(guest, command, error);
  }
}

CommandRunner GuestPaths::runner(const GuestTarget& guest) {
  return [this, guest](const Command& command) { return run(guest, command); };
}

std::optional<std::string> GuestPaths::get(const GuestTarget& guest, const std::string& path) {
  return get_file([&](const Command& command) { return query(guest, command); }, guest, path);
}

void GuestPaths::put(const GuestTarget& guest, const std::string& path, const std::string& content, unsigned mode) {
  put_file(runner(guest), guest, path, content, mode);
}

void GuestPaths::remove(const GuestTarget& guest, const std::string& path) { remove_file(runner(guest), guest, path); }

}  // namespace gpuplan
