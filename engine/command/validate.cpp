// gpuplan validate: the spec alone.
#include <fmt/format.h>

#include <iostream>

#include "command/exit_codes.h"
#include "command/session.h"
#include "command/verbs.h"
#include "plan/plan.h"

namespace gpuplan::command {
namespace {

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace

int run_validate(Session& session) {
  const Spec spec = session.read_spec();
  const std::string& name = session.options.arguments.front();
  if (session.console.json()) {
    session.console.document({{"format_version", plan_format_version},
                              {"valid", true},
                              {"spec", {{"name", name}, {"sha256", spec.sha256}}},
                              {"cluster", spec.cluster},
                              {"gpus", spec.gpus_auto ? Json("auto") : Json(spec.gpus.size())},
                              {"workers", spec.workers.size()}});
    return exit_done;
  }
  session.console.out() << fmt::format("{}: valid: cluster {}, {}, {}, Kubernetes {}\n", printable(name), spec.cluster,
                                       spec.gpus_auto ? "GPUs as the server has them" : counted(spec.gpus.size(), "GPU"),
                                       counted(spec.workers.size(), "worker"), spec.kubernetes.version);
  return exit_done;
}

}  // namespace gpuplan::command
