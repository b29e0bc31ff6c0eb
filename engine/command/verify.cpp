// gpuplan verify: whether the cluster does what it was made for.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "command/cluster_nodes.h"
#include "command/exit_codes.h"
#include "command/verbs.h"
#include "command/verification_report.h"

namespace gpuplan::command {

namespace {

std::string verdict(const Session& session, const Verification& verification) {
  if (!verification.passed()) return fmt::format("Cluster {} does not work as it should", session.cluster);
  const bool whole = std::none_of(verification.results.begin(), verification.results.end(),
                                  [](const VerifyResult& result) { return result.status == VerifyStatus::skipped; });
  return whole ? fmt::format("Cluster {} works", session.cluster)
               : fmt::format("Cluster {} works as far as it was tested", session.cluster);
}

}  // namespace

int run_verify(Session& session) {
  const Spec spec = open_cluster(session, session.options.arguments.empty() ? "" : session.options.arguments.front());
  require_kubernetes(spec);
  session.lock_cluster();  // nobody takes a node away under the test pods
  const Verification verification = verify(session, spec);
  if (session.console.json()) {
    Json document = verification_json(verification);
    document["format_version"] = plan_format_version;
    document["cluster"] = session.cluster;
    session.console.document(document);
  } else {
    session.console.out() << verification_text(verification, true)
                          << fmt::format("\n{}: {}.\n", verdict(session, verification), count_results(verification));
  }
  return verification.passed() ? exit_done : exit_nothing_changed;
}

}  // namespace gpuplan::command
