#include "command/session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>

#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/host_keys.h"
#include "command/run_json.h"
#include "command/spec_place.h"
#include "host/interrupt.h"
#include "loader/load_plugins.h"
#include "plan/resolve.h"
#include "report/shell.h"
#include "spec/read_spec.h"

namespace gpuplan::command {
namespace {

// Shows warnings; throws if there is an error among the problems.
void show_or_fail(Console& console, const Diagnostics& diagnostics) {
  if (diagnostics.has_errors()) throw Failure(exit_nothing_changed, diagnostics.items());
  console.show(diagnostics.items());
}

std::string machine_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "this machine";
  return name.data();
}

std::vector<Diagnostic> warnings_of(const std::vector<CheckResult>& checks) {
  std::vector<Diagnostic> warnings;
  for (const CheckResult& check : checks) {
    if (check.status != CheckStatus::warn) continue;
    warnings.push_back({Severity::warning, check.found, check.read_from.empty() ? "" : "read from " + check.read_from,
                        check.remedy, check.address.to_string(), check.where});
  }
  return warnings;
}

// Also true for a symlink that leads nowhere: the journal itself says what is wrong with one.
bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

bool ended_well(RunStatus status) { return status == RunStatus::succeeded || status == RunStatus::rolled_back; }

}  // namespace

std::string format_time(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  struct tm parts {};
  if (gmtime_r(&time, &parts) == nullptr) return "at no known time";
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC", std::int64_t{parts.tm_year} + 1900, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string describe(const LockHolder& holder) {
  if (holder.pid == 0) return "another process";
  return fmt::format("pid {} on {} ({}) since {}", holder.pid, printable(holder.host), printable(holder.command),
                     format_time(holder.since));
}

Spec Session::read_spec() { return read_spec(options.arguments.front()); }

Spec Session::read_spec(const std::string& path) {
  Diagnostics diagnostics;
  std::optional<Spec> spec = read_spec_file(path, diagnostics);
  if (!spec) throw Failure(exit_nothing_changed, diagnostics.items());
  console.show(diagnostics.items());
  if (!options.cluster.empty() && options.cluster != spec->cluster) {
    throw Failure(exit_nothing_changed,
                  fmt::format("--cluster {} contradicts {}, which declares cluster {}", options.cluster,
                              printable(path), spec->cluster),
                  {}, "leave --cluster away: the spec names the cluster");
  }
  cluster = spec->cluster;
  spec_path = path;
  return std::move(*spec);
}

void Session::choose_cluster() {
  const std::vector<std::string> clusters = state.clusters();
  if (!options.cluster.empty()) {
    cluster = options.cluster;
    if (std::find(clusters.begin(), clusters.end(), cluster) != clusters.end()) return;
    std::vector<std::string_view> names(clusters.begin(), clusters.end());
    const std::string near = did_you_mean(cluster, names);
    require_own_state();
    throw Failure(exit_nothing_changed, fmt::format("there is no cluster {} in {}", cluster, printable(state.path())), {},
                  near.empty() ? fmt::format("`{}` lists the clusters", suggest("status"))
                               : fmt::format("did you mean --cluster {}?", near));
  }
  require_own_state();
  if (clusters.empty()) {
    throw Failure(exit_nothing_changed, fmt::format("there is no cluster in {}", printable(state.path())),
                  "no `gpuplan apply` has changed anything with this state directory",
                  fmt::format("give the state directory that was used with --state-dir DIR, or run `{}` first", suggest("apply SPEC")));
  }
  if (clusters.size() > 1) {
    throw Failure(exit_nothing_changed, fmt::format("there are {} clusters: {}", clusters.size(), fmt::join(clusters, ", ")),
                  {}, "say which one with --cluster NAME");
  }
  cluster = clusters.front();
}

void Session::require_own_state() const {
  std::error_code ignored;
  if (!options.users_own_state || options.host != "local" || !std::filesystem::exists(root_state_dir, ignored)) return;
  throw Failure(exit_nothing_changed, fmt::format("there is no such cluster in {}", printable(state.path())),
                fmt::format("that is this user's own state; what root made is recorded in {}", root_state_dir),
                fmt::format("`sudo {}`, or name the directory with --state-dir DIR", options.command_line));
}

void Session::load_plugins() {
  std::vector<std::string> directories = {installed_plugin_directory()};
  directories.insert(directories.end(), options.plugin_paths.begin(), options.plugin_paths.end());
  Diagnostics diagnostics;
  gpuplan::load_plugins(directories, kinds, diagnostics);
  show_or_fail(console, diagnostics);
}

void Session::open_host(const std::string& libvirt_uri) {
  Diagnostics diagnostics;
  const std::string keys = cluster.empty() ? "" : state.ssh_keys(cluster);
  host = gpuplan::open_host({options.host, state.path(), libvirt_uri, options.download_directory, keys}, diagnostics);
  if (!host.host) throw Failure(exit_nothing_changed, diagnostics.items());
  console.show(diagnostics.items());
  if (!options.faults.empty() && !host.simulated) {
    throw Failure(exit_nothing_changed, fmt::format("--fault is refused on {}", host.host->description()),
                  "faults are injected into simulated servers only",
                  "add --host sim:FILE to rehearse, or leave --fault away");
  }
  guarded = std::make_unique<GuardedHost>(*host.host, options.faults);
  if (!options.root || host.simulated || spec_path.empty()) return;
  if (const auto warning = spec_place_warning(spec_path)) console.show({*warning});
}

void Session::resolve(Spec& spec) {
  complete_host_keys(*this, spec);
  Diagnostics diagnostics;
  resolve_gpus(spec, *host.host, diagnostics);
  keep_addresses(spec, owned(), diagnostics);
  show_or_fail(console, diagnostics);
}

void Session::read_journal() {
  journal.reset();
  state.require_private(cluster);
  if (exists(state.journal(cluster))) journal = Journal::open_read_only(state.journal(cluster), cluster);
}

std::string Session::ways_to_end(const RunRecord& run) const {
  // A verb that only reads the state needs no --host.
  const bool must_name_host = run.host_description.rfind("sim:", 0) == 0 && options.host == "local";
  const std::string host_flag = must_name_host ? " --host " + shell_quoted(run.host_description) : "";
  const std::string apply = suggest("apply " + (run.spec_name.empty() ? "SPEC" : shell_quoted(run.spec_name)) + host_flag);
  if (run.commit_begun) return fmt::format("`{}` completes the run; it cannot be undone any more", apply);
  return fmt::format("`{}` goes on with it, `{}` undoes it", apply, suggest("rollback --cluster " + cluster + host_flag));
}

void Session::warn_of_open_run() {
  if (const std::optional<LockHolder> holder = lock_holder(state.lock(cluster))) {
    console.show({{Severity::warning, fmt::format("a run is going on in cluster {}: {}", cluster, describe(*holder)),
                   "what is read now may change", "plan again when it has ended", {}, {}}});
  } else if (const std::optional<RunRecord> run = unfinished_run()) {
    console.show({{Severity::warning, fmt::format("cluster {} has an open run: {}", cluster, describe_run(*run, false)), {},
                   ways_to_end(*run), {}, {}}});
  }
}

void Session::lock_cluster() {
  state.make(cluster);
  state.require_private(cluster);
  std::optional<LockHolder> other;
  const LockHolder self{getpid(), machine_name(), options.command_line, std::time(nullptr)};
  lock = RunLock::take(state.lock(cluster), self, other);
  if (!lock) {
    throw Failure(exit_locked, fmt::format("cluster {} is locked by {}", cluster, other ? describe(*other) : "another process"),
                  "one run at a time may change a cluster", "wait until it has ended, then try again");
  }
  if (exists(state.journal(cluster))) writable_journal();
}

Journal& Session::writable_journal() {
  if (!journal) {
    // The host may be opened after the journal, so it is its name that says whether faults are allowed.
    DiskHook ask_disk;
    if (is_simulated(options.host)) disk = std::make_unique<DiskFaults>(options.faults);
    if (disk && disk->concern_the_disk()) ask_disk = [this] { return disk->before_write(); };
    const auto before_write = [this](std::int64_t number) {
      if (guarded) guarded->before_journal_write(number);
    };
    journal = Journal::open(state.journal(cluster), cluster, before_write, ask_disk);
  }
  return *journal;
}

void Session::warn_of_unstruck_faults() {
  std::vector<std::string> faults = guarded ? guarded->unstruck_faults() : std::vector<std::string>{};
  if (disk) {
    for (std::string& fault : disk->unstruck_faults()) faults.push_back(std::move(fault));
  }
  if (faults.empty()) return;
  std::string counts = fmt::format("this run had {} host calls, {} journal writes and {} calls of step kinds",
                                   guarded->mutating_calls(), guarded->journal_writes(), guarded->plugin_calls());
  if (disk && disk->concern_the_disk()) counts += fmt::format(", and {} writes to the journal's disk", disk->writes());
  for (const std::string& fault : faults) {
    console.show({{Severity::warning, fmt::format("the fault at {} never struck", fault), counts,
                   fmt::format("`{}` lists the steps of the run", suggest("show --cluster " + cluster)), {}, {}}});
  }
}

std::vector<OwnedResource> Session::owned() { return journal ? journal->owned() : std::vector<OwnedResource>{}; }

std::optional<RunRecord> Session::unfinished_run() {
  if (!journal) return std::nullopt;
  std::vector<RunRecord> runs = journal->runs();
  while (!runs.empty() && runs.back().command == "rollback") {
    if (!ended_well(runs.back().status)) return runs.back();
    runs.pop_back();
  }
  if (runs.empty() || ended_well(runs.back().status)) return std::nullopt;
  return runs.back();
}

void Session::require_same_host() {
  if (!journal) return;
  const std::vector<RunRecord> runs = journal->runs();
  if (runs.empty() || (journal->owned().empty() && !unfinished_run())) return;
  const RunRecord& last = runs.back();
  if (last.host_identity == host.host->identity()) return;
  throw Failure(exit_nothing_changed,
                fmt::format("cluster {} is on another server: {}", cluster, printable(last.host_description)),
                fmt::format("this one is {}; its run {} was made on the other", printable(host.host->description()), last.id),
                "run gpuplan on that server, or give another --state-dir for this one");
}

RunRecord Session::record(const std::string& command) const {
  RunRecord run;
  run.command = command;
  run.argv = options.command_line;
  run.host_identity = host.host->identity();
  run.host_description = host.host->description();
  run.pid = getpid();
  run.started = std::time(nullptr);
  return run;
}

std::string Session::suggest(const std::string& words) const {
  return suggested(words);
}

PlannerOptions Session::planner_options() { return {options.parallelism, console.passing_text(), &watch, selection}; }

std::string go_on_command(const Session& session) {
  std::string words = session.go_on.empty() ? session.options.verb : session.go_on;
  if (session.go_on.empty()) {
    for (const std::string& argument : session.options.arguments) words += ' ' + shell_quoted(argument);
    if (session.options.arguments.empty()) words += " --cluster " + session.cluster;
  }
  for (const Address& address : session.selection.targets) words += " --target " + shell_quoted(address.to_string());
  for (const Address& address : session.selection.excludes) words += " --exclude " + shell_quoted(address.to_string());
  return session.suggest(words);
}

Plan take_plan(Session& session, PlanningResult result) {
  const bool checks_failed = std::any_of(result.checks.begin(), result.checks.end(), [](const CheckResult& check) {
    return check.status == CheckStatus::fail;
  });
  if (checks_failed) {
    throw ChecksFailed(result.needs_reboot ? exit_reboot_required : exit_nothing_changed, std::move(result.checks),
                       result.diagnostics.items());
  }
  if (Interrupt::requested()) throw Interrupted();
  show_or_fail(session.console, result.diagnostics);
  session.console.show(warnings_of(result.checks));
  if (!result.plan) {
    throw Failure(exit_nothing_changed, "no plan was made, and no reason was given", {},
                  "this is a defect of gpuplan: please report it with the spec and `" + session.suggest("record") + "`");
  }
  return std::move(*result.plan);
}

std::optional<Spec> last_spec(Journal& journal) {
  const std::vector<RunRecord> runs = journal.runs();
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    if (run->spec_text.empty() || run->status == RunStatus::rolled_back) continue;
    auto file = std::make_shared<SourceFile>(SourceFile{run->spec_name, run->spec_text});
    Diagnostics ignored;
    if (std::optional<Spec> spec = gpuplan::read_spec(std::move(file), ignored)) return spec;
  }
  return std::nullopt;
}

Failure no_kept_spec(Session& session) {
  const std::vector<RunRecord> runs = session.journal ? session.journal->runs() : std::vector<RunRecord>{};
  const bool undone = !runs.empty() && session.owned().empty() && !session.unfinished_run();
  return Failure(exit_nothing_changed,
                 undone ? fmt::format("cluster {} is not there: what was made for it was rolled back", session.cluster)
                        : fmt::format("nothing has been made for cluster {}", session.cluster),
                 {}, fmt::format("`{}` makes it; `{}` shows what was done so far", session.suggest("apply SPEC"),
                                 session.suggest("history --cluster " + session.cluster)));
}

}  // namespace gpuplan::command
