// gpuplan init: a spec for this very host.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/new_file.h"
#include "command/session.h"
#include "command/verbs.h"
#include "host/interrupt.h"
#include "propose/proposal.h"
#include "spec/read_spec.h"

namespace gpuplan::command {
namespace {

constexpr std::string_view gpu_kind = "vfio-bind";

// The proposal as the spec that a file with this text would be.
Spec spec_of(const Inventory& inventory, const SpecProposal& proposal) {
  const auto file = std::make_shared<SourceFile>(SourceFile{"proposed spec", print_spec(inventory, proposal)});
  Diagnostics diagnostics;
  std::optional<Spec> spec = read_spec(file, diagnostics);
  if (!spec) throw Failure(exit_nothing_changed, diagnostics.items());
  return std::move(*spec);
}

std::vector<CheckResult> failed_checks(Session& session, const Spec& spec) {
  const PlanningResult result =
      check_host(spec, session.kinds, {}, *session.host.host, session.planner_options());
  if (Interrupt::requested()) throw Interrupted();
  if (result.diagnostics.has_errors()) throw Failure(exit_nothing_changed, result.diagnostics.items());
  std::vector<CheckResult> failed;
  for (const CheckResult& check : result.checks) {
    if (check.status == CheckStatus::fail) failed.push_back(check);
  }
  return failed;
}

// Takes out the GPUs that `gpuplan check` would refuse, with its reasons. Where the host as a whole has no IOMMU
// groups yet, that is no reason: it will have them.
void leave_out_refused(Session& session, const Inventory& inventory, SpecProposal& proposal) {
  for (bool again = true; again && !proposal.gpus.empty();) {
    // All with one worker: then a group that several GPUs share is no reason either.
    proposal.workers.assign(1, {});
    for (std::size_t i = 0; i < proposal.gpus.size(); ++i) proposal.workers.front().gpus.push_back(i);
    size_vms(inventory, proposal);
    std::map<std::string, std::string> reasons;  // by address
    for (const CheckResult& check : failed_checks(session, spec_of(inventory, proposal))) {
      if (check.address.kind() != gpu_kind) continue;
      if (check.name == "iommu-group" && inventory.iommu_groups == 0) continue;
      reasons.emplace(check.address.name(), check.remedy.empty() ? check.found : check.found + "; " + check.remedy);
    }
    std::vector<const InventoryFunction*> kept;
    for (const InventoryFunction* gpu : proposal.gpus) {
      const auto reason = reasons.find(gpu->function.address.to_string());
      if (reason == reasons.end()) kept.push_back(gpu);
      else proposal.left_out.push_back({gpu->function.address, reason->second});
    }
    again = kept.size() < proposal.gpus.size();
    proposal.gpus = std::move(kept);
  }
}

SpecProposal propose(Session& session, const Inventory& inventory) {
  SpecProposal proposal;
  proposal.gpus = gpu_candidates(inventory, proposal.left_out);
  proposal.stop_services = services_to_stop(inventory, proposal.gpus);
  proposal.cidr = free_network(*session.host.host);
  leave_out_refused(session, inventory, proposal);
  proposal.stop_services = services_to_stop(inventory, proposal.gpus);
  if (!assign_workers(inventory, session.options.workers, proposal)) {
    const std::string why = proposal.notes.empty() ? "" : proposal.notes.back();
    throw Failure(exit_nothing_changed, "there is no spec with that many workers for this host", why,
                  fmt::format("leave --workers away, or `{}` shows what the host has", session.suggest("discover")));
  }
  size_vms(inventory, proposal);
  std::sort(proposal.left_out.begin(), proposal.left_out.end(),
            [](const LeftOutGpu& a, const LeftOutGpu& b) { return a.address < b.address; });
  return proposal;
}

}  // namespace

int run_init(Session& session) {
  session.load_plugins();
  session.open_host(HostSpec().libvirt_uri);
  PciNames names(session.options.pci_ids);
  const Inventory inventory = read_inventory(*session.host.host, names);
  SpecProposal proposal = propose(session, inventory);
  std::vector<Diagnostic> warnings;
  for (const CheckResult& check : failed_checks(session, spec_of(inventory, proposal))) {
    proposal.notes.push_back(fmt::format("`gpuplan check` fails now: {}; {}", check.found, check.remedy));
    warnings.push_back({Severity::warning, check.found, "so `gpuplan check` fails with this spec for now", check.remedy,
                        check.address.to_string(), {}});
  }
  spec_of(inventory, proposal);
  const std::string text = print_spec(inventory, proposal);
  const std::string& path = session.options.out;
  hand_out(session, text, [&] {
    return fmt::format("Written to {}. Next: `{}`.\n", printable(path), session.suggest("check " + shell_quoted(path)));
  });
  session.console.show(warnings);
  return exit_done;
}

}  // namespace gpuplan::command
