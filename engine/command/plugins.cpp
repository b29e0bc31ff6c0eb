// gpuplan plugins: the step kinds that are loaded.
#include <fmt/format.h>

#include <iostream>

#include "command/exit_codes.h"
#include "command/session.h"
#include "command/verbs.h"
#include "loader/load_plugins.h"
#include "plan/print_json.h"

namespace gpuplan::command {

int run_plugins(Session& session) {
  std::vector<std::string> directories = {installed_plugin_directory()};
  directories.insert(directories.end(), session.options.plugin_paths.begin(), session.options.plugin_paths.end());
  Diagnostics diagnostics;
  load_plugins(directories, session.kinds, diagnostics);

  Json items = Json::array();
  std::string text;
  for (const StepKinds::Entry& entry : session.kinds.entries()) {
    items.push_back({{"kind", entry.kind->kind()},
                     {"summary", entry.source.summary},
                     {"module", entry.source.path},
                     {"build_tag", entry.source.build_tag}});
    text += fmt::format("{:<14}{}\n{:<14}{}\n", entry.kind->kind(), printable(entry.source.summary), "",
                        printable(entry.source.path));
  }
  if (text.empty()) text = fmt::format("No step kinds in {}.\n", fmt::join(directories, ", "));
  if (session.console.json()) {
    session.console.document({{"format_version", plan_format_version},
                              {"plugins", std::move(items)},
                              {"errors", diagnostics_to_json(diagnostics.items())}});
  } else {
    session.console.out() << text;
  }
  session.console.show(diagnostics.items());
  return diagnostics.has_errors() ? exit_nothing_changed : exit_done;
}

}  // namespace gpuplan::command
