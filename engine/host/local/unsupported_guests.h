// The Guests port of a host whose guests cannot be reached.
#pragma once

#include <string>

#include "host/ports.h"

namespace gpuplan {

// Every function throws HostError::unsupported with this sentence.
class UnsupportedGuests : public Guests {
 public:
  explicit UnsupportedGuests(std::string sentence) : sentence_(std::move(sentence)) {}

  bool answers(const GuestTarget& guest) override { refuse(guest); }
  CommandResult query(const GuestTarget& guest, const Command&) override { refuse(guest); }
  std::optional<std::string> get(const GuestTarget& guest, const std::string&) override { refuse(guest); }
  CommandResult run(const GuestTarget& guest, const Command&) override { refuse(guest); }
  void put(const GuestTarget& guest, const std::string&, const std::string&, unsigned) override { refuse(guest); }
  void remove(const GuestTarget& guest, const std::string&) override { refuse(guest); }

 private:
  [[noreturn]] void refuse(const GuestTarget& guest) const {
    throw HostError(HostError::Kind::unsupported, guest.node, "cannot reach the guest " + guest.node + ": " + sentence_);
  }

  const std::string sentence_;
};

}  // namespace gpuplan
