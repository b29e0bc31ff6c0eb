#include <algorithm>
#include <map>
#include <set>

#include "apply/journal_names.h"
#include "apply/journal_rows.h"

namespace gpuplan {
namespace {

// What the runs since the last that ended well have left undone, by address.
struct Unfinished {
  std::set<std::string> withdrawals;  // begun, and neither they nor a later stage completed
  std::set<std::string> commits;      // of what was applied, be it in part
  // At which stage, counted from 1, an apply last began: of everything, and of what it makes anew.
  std::map<std::string, std::size_t> applied;
  std::map<std::string, std::size_t> made_anew;
};

bool makes_anew(const std::string& action) {
  return action == to_string(Action::create) || action == to_string(Action::replace);
}

void add_stage(Unfinished& out, const Statement& row, std::size_t number) {
  const std::string address = row.text(0), action = row.text(1), stage = row.text(2), status = row.text(3);
  const bool done = status == to_string(StageStatus::done);
  const bool undone = status == to_string(StageStatus::undone);
  if (stage == to_string(Stage::commit)) {
    if (done) out.commits.erase(address);
    else if (out.applied.count(address) > 0) out.commits.insert(address);
    return;
  }
  if (status == to_string(StageStatus::planned)) return;
  if (done || undone) out.withdrawals.erase(address);
  else if (stage == to_string(Stage::withdraw)) out.withdrawals.insert(address);
  if (stage != to_string(Stage::apply) || undone) return;
  out.applied[address] = number;
  if (makes_anew(action)) out.made_anew[address] = number;
}

Unfinished read_unfinished(Database& database) {
  Unfinished out;
  Statement rows = database.prepare(
      "SELECT changes.address, changes.action, stages.stage, stages.status FROM stages "
      "JOIN changes ON changes.run = stages.run AND changes.position = stages.change "
      "WHERE stages.run > (SELECT coalesce(max(id), 0) FROM runs WHERE status IN ('succeeded', 'rolled_back')) "
      "ORDER BY stages.run, stages.position");
  for (std::size_t number = 1; rows.step(); ++number) add_stage(out, rows, number);
  return out;
}

std::size_t number_of(const std::map<std::string, std::size_t>& stages, const std::string& address) {
  const auto found = stages.find(address);
  return found == stages.end() ? 0 : found->second;
}

// What lived in something that was made anew after it, and in turn what lived in that.
void mark_gone(const Unfinished& unfinished, std::vector<OwnedResource>& owned) {
  std::map<std::string, std::size_t> gone = unfinished.made_anew;  // with what lived in it, at which stage
  for (bool changed = !gone.empty(); changed;) {
    changed = false;
    for (OwnedResource& item : owned) {
      const std::string address = item.resource.address.to_string();
      std::size_t last = 0;
      for (const Address& container : item.resource.lives_in) last = std::max(last, number_of(gone, container.to_string()));
      if (item.is_gone || last <= number_of(unfinished.applied, address)) continue;
      item.is_gone = true;
      gone[address] = last;
      changed = true;
    }
  }
}

}  // namespace

void mark_unfinished(Database& database, std::vector<OwnedResource>& owned) {
  const Unfinished unfinished = read_unfinished(database);
  for (OwnedResource& item : owned) {
    const std::string address = item.resource.address.to_string();
    item.withdrawal_begun = unfinished.withdrawals.count(address) > 0;
    item.commit_due = unfinished.commits.count(address) > 0;
  }
  mark_gone(unfinished, owned);
}

}  // namespace gpuplan
