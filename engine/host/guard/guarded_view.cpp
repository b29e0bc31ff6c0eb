#include "host/guard/guarded_view.h"

namespace gpuplan {

GuardedView::GuardedView(Host& host, CallGuard guard)
    : host_(host),
      guard_(std::move(guard)),
      files_(host_, guard_),
      hypervisor_(host_, guard_),
      guests_(host_, guard_) {}

CommandResult GuardedView::run(const Command& command) {
  const std::string words = join_argv(command.argv);
  guard_.before("run `" + words + "`", words, command.limit);
  return host_.run(command);
}

bool GuardedGuests::answers(const GuestTarget& guest) { return host_.guests().answers(guest); }

std::optional<std::string> GuardedGuests::addresses_by_agent(const GuestTarget& guest) {
  return host_.guests().addresses_by_agent(guest);
}

CommandResult GuardedGuests::query(const GuestTarget& guest, const Command& command) {
  return host_.guests().query(guest, command);
}

std::optional<std::string> GuardedGuests::get(const GuestTarget& guest, const std::string& path) {
  return host_.guests().get(guest, path);
}

CommandResult GuardedGuests::run(const GuestTarget& guest, const Command& command) {
  guard_.before("run `" + join_argv(command.argv) + "` on " + guest.node, guest.node, command.limit);
  return host_.guests().run(guest, command);
}

void GuardedGuests::put(const GuestTarget& guest, const std::string& path, const std::string& content,
                        unsigned mode) {
  guard_.before("write " + path + " on " + guest.node, guest.node);
  host_.guests().put(guest, path, content, mode);
}

void GuardedGuests::remove(const GuestTarget& guest, const std::string& path) {
  guard_.before("remove " + path + " on " + guest.node, guest.node);
  host_.guests().remove(guest, path);
}

GuestCredentials GuardedGuests::credentials(const std::string& node) {
  guard_.before("make the ssh keys of " + node, node);
  return host_.guests().credentials(node);
}

void GuardedGuests::forget(const std::string& node) {
  guard_.before("forget the ssh keys of " + node, node);
  host_.guests().forget(node);
}

}  // namespace gpuplan
