#include "command/verification_report.h"

#include <fmt/format.h>

#include "command/cluster_nodes.h"
#include "inventory/text_table.h"

namespace gpuplan::command {
namespace {

// For a column; the whole text stands below the table.
std::string shortened(const std::string& text) {
  constexpr std::size_t widest = 70;
  return printable(text.size() > widest ? text.substr(0, widest - 3) + "..." : text);
}

}  // namespace

Verification verify(Session& session, const Spec& spec) {
  VerifyRequest request;
  request.cluster = spec.cluster;
  if (spec.file) request.spec = shell_quoted(spec.file->name);
  request.control_plane = control_plane_target(spec);
  for (const WorkerSpec& worker : spec.workers) {
    VerifiedWorker& verified = request.workers.emplace_back();
    verified.target = find_target(spec, worker.name);
    verified.gpus = worker.gpu_count();
    for (const std::size_t index : worker.gpu_indexes) {
      if (!worker.machine && index < spec.gpus.size()) verified.on_host.push_back(spec.gpus[index].address);
    }
  }
  request.patience = std::chrono::seconds(spec.timeouts.verify);
  request.has_operator = spec.gpu_operator.enabled;
  request.driver_in_container = spec.gpu_operator.driver == "operator";
  const auto show = session.console.passing_text();
  if (show) request.progress = [show](const std::string& what) { show("Verifying: " + what); };
  request.suggest = [&session](const std::string& words) { return session.suggest(words); };
  Verification verification = verify_cluster(request, *session.host.host);
  if (!verification.left_behind.empty()) {
    session.console.show({{Severity::warning,
                           "the namespace of the test pods is left behind",
                           verification.left_behind,
                           "the next `gpuplan verify` removes it",
                           {},
                           {}}});
  }
  return verification;
}

std::string count_results(const Verification& verification) {
  std::string out;
  for (const VerifyStatus status : {VerifyStatus::pass, VerifyStatus::fail, VerifyStatus::skipped}) {
    std::size_t count = 0;
    for (const VerifyResult& result : verification.results) count += result.status == status ? 1U : 0U;
    const std::string_view word = status == VerifyStatus::pass   ? "passed"
                                  : status == VerifyStatus::fail ? "failed"
                                                                 : "skipped";
    if (count > 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, word);
  }
  return out;
}

std::string verification_text(const Verification& verification, bool all) {
  std::vector<std::vector<std::string>> rows = {{"RESULT", "CHECK", "NODE", "FOUND"}};
  std::string failures;
  for (const VerifyResult& result : verification.results) {
    if (!all && result.status == VerifyStatus::pass) continue;
    const bool failed = result.status == VerifyStatus::fail;
    rows.push_back({failed ? "FAIL" : std::string(to_string(result.status)), result.check, result.subject,
                    failed ? shortened(result.found) : printable(result.found)});
    if (!failed) continue;
    failures += fmt::format("\n{} on {} failed: {}\n", result.check, result.subject, printable(result.found));
    if (!result.reason.empty()) failures += fmt::format("  why: {}\n", printable(result.reason));
    if (!result.next.empty()) failures += fmt::format("  next: {}\n", printable(result.next));
  }
  return (rows.size() > 1 ? print_table(rows) : "") + failures;
}

Json verification_json(const Verification& verification) {
  Json results = Json::array();
  for (const VerifyResult& result : verification.results) {
    results.push_back({{"check", result.check},
                       {"node", result.subject},
                       {"status", to_string(result.status)},
                       {"found", result.found},
                       {"reason", result.reason},
                       {"next", result.next}});
  }
  return {{"passed", verification.passed()}, {"results", std::move(results)}};
}

}  // namespace gpuplan::command
