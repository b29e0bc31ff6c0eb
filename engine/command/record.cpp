// gpuplan record: a host as the file of a simulated one.
#include "record/record.h"

#include <fmt/format.h>

#include "command/exit_codes.h"
#include "command/new_file.h"
#include "command/session.h"
#include "command/verbs.h"

namespace gpuplan::command {

int run_record(Session& session) {
  session.open_host(HostSpec().libvirt_uri);
  PciNames names(session.options.pci_ids);
  const Inventory inventory = read_inventory(*session.host.host, names);
  const std::string text = record_host(*session.host.host, inventory);
  const std::string& path = session.options.out;
  hand_out(session, text, [&] {
    return fmt::format("Recorded in {}. Plan on it with `gpuplan plan SPEC --host sim:{}`.\n", printable(path),
                       shell_quoted(path));
  });
  std::vector<Diagnostic> warnings;
  for (const std::string& sentence : inventory.unread) {
    warnings.push_back({Severity::warning, sentence, "the recorded model does not have it", {}, {}, {}});
  }
  session.console.show(warnings);
  return exit_done;
}

}  // namespace gpuplan::command
