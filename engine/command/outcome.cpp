#include "command/outcome.h"

#include <fmt/format.h>

#include <array>
#include <csignal>
#include <iostream>
#include <set>

#include "command/exit_codes.h"
#include "host/interrupt.h"

namespace gpuplan::command {
namespace {

constexpr std::array all_states = {
    ResourceState::created, ResourceState::updated, ResourceState::replaced,    ResourceState::removed,
    ResourceState::undone,  ResourceState::failed,  ResourceState::interrupted, ResourceState::skipped,
    ResourceState::pending, ResourceState::unchanged};

Json resources_to_json(const std::vector<ResourceOutcome>& resources) {
  Json out = Json::array();
  for (const ResourceOutcome& resource : resources) {
    out.push_back({{"address", resource.address.to_string()},
                   {"state", to_string(resource.state)},
                   {"error", resource.error.empty() ? Json() : Json(resource.error)}});
  }
  return out;
}

Json differences_to_json(const std::vector<RollbackDifference>& differences) {
  Json out = Json::array();
  for (const RollbackDifference& item : differences) {
    out.push_back({{"address", item.address.to_string()},
                   {"attribute", item.attribute},
                   {"before", item.before},
                   {"now", item.now}});
  }
  return out;
}

// Resources that did not get where they should, each with the reason; also of those undone since.
std::string list_unfinished(const std::vector<ResourceOutcome>& resources) {
  std::string out;
  for (const ResourceState state : {ResourceState::undone, ResourceState::failed, ResourceState::interrupted, ResourceState::skipped}) {
    for (const ResourceOutcome& resource : resources) {
      if (resource.state != state || (state == ResourceState::undone && resource.error.empty())) continue;
      out += fmt::format("  {:<12}{}\n", to_string(state), resource.address.to_string());
      if (!resource.error.empty()) out += fmt::format("  {:<12}{}\n", "", printable(resource.error));
    }
  }
  return out;
}

std::size_t count_differing(const RollbackOutcome& outcome) {
  std::set<Address> addresses;
  for (const RollbackDifference& item : outcome.differences) addresses.insert(item.address);
  return addresses.size();
}

void print_text(std::ostream& out, const Ending& ending) {
  out << '\n' << ending.headline;
  if (!ending.resources.empty()) out << ": " << count_states(ending.resources);
  out << ".\n" << list_unfinished(ending.resources);
  if (!ending.verified.empty()) out << ending.verified << '\n';
  if (ending.rollback) {
    out << verification_sentence(*ending.rollback) << '\n';
    for (const RollbackDifference& item : ending.rollback->differences) {
      out << fmt::format("  {}: {} was {}, is {}\n", item.address.to_string(), item.attribute, printable(item.before),
                         printable(item.now));
    }
  }
  if (!ending.next.empty()) out << "Next: " << ending.next << '\n';
  out.flush();
}

}  // namespace

int interrupted_exit_code() {
  const int number = Interrupt::signal_number();
  return exit_signal_base + (number == 0 ? SIGINT : number);
}

int exit_code_for(const RunOutcome& outcome) {
  if (outcome.status == RunStatus::interrupted || outcome.status == RunStatus::running) return interrupted_exit_code();
  if (outcome.status == RunStatus::reboot_required) return exit_reboot_required;
  return outcome.status == RunStatus::failed ? exit_step_failed : exit_done;
}

int exit_code_for(const RollbackOutcome& outcome) {
  const int run = exit_code_for(outcome.run);
  if (run != exit_done && run != exit_step_failed) return run;
  return run == exit_done && outcome.differences.empty() ? exit_done : exit_differences_left;
}

std::string count_states(const std::vector<ResourceOutcome>& resources) {
  std::string out;
  for (const ResourceState state : all_states) {
    std::size_t count = 0;
    for (const ResourceOutcome& resource : resources) count += resource.state == state ? 1 : 0;
    if (count > 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, to_string(state));
  }
  return out.empty() ? "nothing" : out;
}

std::string verification_sentence(const RollbackOutcome& outcome) {
  return fmt::format("{} of {} resources are as they were before run {}.",
                     outcome.verified - std::min(outcome.verified, count_differing(outcome)), outcome.verified,
                     outcome.oldest_run);
}

void print_ending(Console& console, const Ending& ending) {
  if (!console.json()) {
    print_text(console.out(), ending);
    return;
  }
  Json event = {{"type", "run_finished"},
                {"status", ending.status},
                {"exit_code", ending.exit_code},
                {"run", ending.run ? Json(*ending.run) : Json()},
                {"resources", resources_to_json(ending.resources)},
                {"next", ending.next}};
  if (ending.rollback) {
    event["verified"] = ending.rollback->verified;
    event["restored_to_before_run"] = ending.rollback->oldest_run;
    event["differences"] = differences_to_json(ending.rollback->differences);
  }
  console.event(std::move(event));
}

}  // namespace gpuplan::command
