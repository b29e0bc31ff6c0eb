// The Guests port of a simulated host: who answers, and what its programs see of the world.
#pragma once

#include "host/sim/simulation.h"

namespace gpuplan::sim {

class SimGuests : public Guests {
 public:
  explicit SimGuests(Simulation& simulation) : simulation_(simulation) {}

  bool answers(const GuestTarget& guest) override;
  std::optional<std::string> addresses_by_agent(const GuestTarget& guest) override;
  CommandResult query(const GuestTarget& guest, const Command& command) override;
  std::optional<std::string> get(const GuestTarget& guest, const std::string& path) override;
  CommandResult run(const GuestTarget& guest, const Command& command) override;
  void put(const GuestTarget& guest, const std::string& path, const std::string& content, unsigned mode) override;
  void remove(const GuestTarget& guest, const std::string& path) override;
  GuestCredentials credentials(const std::string& node) override;
  void forget(const std::string& node) override;

 private:
  Simulation& simulation_;
};

}  // namespace gpuplan::sim
