// gpuplan discover: what the server has.
#include <iostream>

#include "command/exit_codes.h"
#include "command/session.h"
#include "command/verbs.h"
#include "inventory/print_inventory.h"
#include "plan/plan.h"

namespace gpuplan::command {

int run_discover(Session& session) {
  session.open_host(HostSpec().libvirt_uri);
  PciNames names(session.options.pci_ids);
  const Inventory inventory = read_inventory(*session.host.host, names);
  if (session.console.json()) {
    Json document = inventory_to_json(inventory);
    document["format_version"] = plan_format_version;
    session.console.document(document);
    return exit_done;
  }
  session.console.out() << (session.options.tree ? print_inventory_tree(inventory, session.options.all)
                                                 : print_inventory(inventory, session.options.all));
  std::vector<Diagnostic> warnings;
  for (const std::string& sentence : inventory.unread) {
    warnings.push_back({Severity::warning, sentence, {}, {}, {}, {}});
  }
  session.console.show(warnings);
  return exit_done;
}

}  // namespace gpuplan::command
