#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <filesystem>

#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/planning.h"
#include "digest/digest.h"
#include "host/files/descriptor.h"
#include "host/host_error.h"
#include "plan/plan_file.h"

namespace gpuplan::command {
namespace {

constexpr std::int64_t largest_plan_file = 256LL << 20;

[[noreturn]] void refuse(const std::string& path, const std::string& what, const std::string& remedy) {
  throw Failure(exit_nothing_changed, fmt::format("the plan {} {}", printable(path), what), {}, remedy);
}

std::string read_all(int descriptor, const std::string& path) {
  std::string text;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse(path, fmt::format("cannot be read: {}", words_for_errno(errno)), "make a new plan");
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

// Whoever can write a plan decides what root will do.
std::string read_trusted(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file) {
    refuse(path, errno == ELOOP ? "is a symlink" : fmt::format("cannot be opened: {}", words_for_errno(errno)),
           errno == ELOOP ? "give the file that it leads to" : "give a file that `gpuplan plan --out` wrote");
  }
  struct stat facts {};
  if (fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
    refuse(path, "is not a regular file", "give a file that `gpuplan plan --out` wrote");
  }
  if (facts.st_uid != geteuid() && facts.st_uid != 0) {
    refuse(path, fmt::format("belongs to user {}", facts.st_uid), "make the plan as the user that applies it");
  }
  if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    refuse(path, "can be written by others", fmt::format("look at who changed it, then `chmod go-w {}`", shell_quoted(path)));
  }
  if (facts.st_size > largest_plan_file) refuse(path, "is larger than any plan", "give a file that `gpuplan plan --out` wrote");
  return read_all(file.get(), path);
}

std::optional<RunRecord> last_run(Session& session) {
  if (!session.journal) return std::nullopt;
  std::vector<RunRecord> runs = session.journal->runs();
  if (runs.empty()) return std::nullopt;
  return std::move(runs.back());
}

// Of what stays in a run's record, whatever becomes of the run: journals count alike, but hold different runs.
std::string digest_of(const RunRecord& run) {
  return sha256_hex(fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}", run.id, run.command, run.argv, run.spec_sha256,
                                run.host_identity, run.pid, run.started));
}

// Each entry of `moved` is one sentence.
[[noreturn]] void refuse_stale(const std::string& path, const std::vector<std::string>& moved, const std::string& remedy) {
  std::vector<Diagnostic> problems;
  problems.reserve(moved.size() + 1);
  for (const std::string& what : moved) problems.push_back({Severity::error, what, {}, {}, {}, std::nullopt});
  problems.push_back({Severity::error, fmt::format("the plan {} is stale; nothing was changed", printable(path)), {},
                      remedy, {}, std::nullopt});
  throw Failure(exit_plan_stale, std::move(problems));
}

// How the journal is not the one that was there when the plan was made; empty if it is.
std::string lost_journal(Session& session, const SavedPlan& saved, const std::optional<RunRecord>& last) {
  if (saved.last_run == 0) return {};
  const std::string journal = printable(session.state.journal(session.cluster));
  if (!session.journal) {
    return fmt::format("the journal {} is gone, which ended with run {} when the plan was made", journal, saved.last_run);
  }
  const std::optional<RunRecord> then = session.journal->run(saved.last_run);
  if (!then) {
    return fmt::format("the journal {} {}, and ended with run {} when the plan was made: it is an older one", journal,
                       last ? fmt::format("ends with run {}", last->id) : "has no runs", saved.last_run);
  }
  if (digest_of(*then) == saved.last_run_sha256) return {};
  return fmt::format("the journal {} is not the one with which the plan was made: its run {} is another ({}, {})", journal,
                     then->id, printable(then->argv), format_time(then->started));
}

void require_same_journal(Session& session, const SavedPlan& saved, const std::string& path, const std::string& remedy) {
  const std::optional<RunRecord> last = last_run(session);
  const std::string lost = lost_journal(session, saved, last);
  if (!lost.empty()) refuse_stale(path, {lost}, "put the journal of then back, if there is a backup; else " + remedy);
  if (!last || last->id == saved.last_run) return;
  refuse_stale(path,
               {fmt::format("run {} of cluster {} was made after it ({})", last->id, session.cluster, printable(last->argv))},
               remedy);
}

Spec read_same_spec(Session& session, const SavedPlan& saved, const std::string& path, const std::string& remedy) {
  try {
    Spec spec = session.read_spec(saved.spec_path);
    if (spec.sha256 == saved.plan.spec_sha256) return spec;
  } catch (const Failure& failure) {
    session.console.show(failure.problems());
    refuse_stale(path, {fmt::format("the spec {} cannot be read as it was then", printable(saved.spec_path))}, remedy);
  }
  refuse_stale(path, {fmt::format("the spec {} was changed", printable(saved.spec_path))}, remedy);
}

void require_host_of(Session& session, const SavedPlan& saved, const std::string& path) {
  if (saved.plan.host_identity == session.host.host->identity()) return;
  throw Failure(exit_nothing_changed, fmt::format("the plan {} was made for another server", printable(path)),
                fmt::format("it is for {}, this one is {}", printable(saved.plan.host_description),
                            printable(session.host.host->description())),
                "apply it there, or make a plan for this server");
}

SavedPlan read_saved(const std::string& path) {
  try {
    return read_plan_file(read_trusted(path), path);
  } catch (const PlanFileError& error) {
    throw Failure(exit_nothing_changed, error.what());
  }
}

}  // namespace

bool is_saved_plan(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::array<char, 64> start{};
  const ssize_t got = !file ? -1 : ::read(file.get(), start.data(), start.size());
  return got > 0 && is_plan_file(std::string_view(start.data(), static_cast<std::size_t>(got)));
}

Planned plan_from_file(Session& session, const std::string& path) {
  const SavedPlan saved = read_saved(path);
  if (!session.options.cluster.empty() && session.options.cluster != saved.plan.cluster) {
    throw Failure(exit_nothing_changed, fmt::format("--cluster {} contradicts {}, which is about cluster {}",
                                                    session.options.cluster, printable(path), saved.plan.cluster),
                  {}, "leave --cluster away: the plan names the cluster");
  }
  session.cluster = saved.plan.cluster;
  session.selection = saved.plan.selection;
  const bool destroys = saved.plan.purpose == PlanPurpose::destroy;
  const std::string of_cluster = "--cluster " + session.cluster;
  session.go_on = destroys ? "destroy " + of_cluster : "apply " + shell_quoted(saved.spec_path);
  const std::string again = destroys ? "--destroy " + of_cluster : shell_quoted(saved.spec_path);
  const std::string remedy = fmt::format("look at the server as it is now: `{}`",
                                         session.suggest(fmt::format("plan {} --out {}", again, shell_quoted(path))));
  std::optional<Planned> planned;
  if (destroys) {
    if (!std::filesystem::exists(session.state.journal(session.cluster))) {
      session.require_own_state();
      require_same_journal(session, saved, path, remedy);
    }
    planned = plan_for_destroy(session, std::nullopt, true).planned;
    if (planned) require_host_of(session, saved, path);
    require_same_journal(session, saved, path, remedy);
    if (!planned) refuse_stale(path, {"gpuplan has made nothing that could be removed"}, remedy);
  } else {
    Spec spec = read_same_spec(session, saved, path, remedy);
    session.load_plugins();
    session.open_host(spec.host.libvirt_uri);
    require_host_of(session, saved, path);
    session.lock_cluster();
    require_same_journal(session, saved, path, remedy);
    planned = plan_for_apply(session, std::move(spec));
  }
  const std::vector<std::string> moved = moved_since(saved, planned->plan, session.kinds);
  if (!moved.empty()) refuse_stale(path, moved, remedy);
  return std::move(*planned);
}

void save_plan(Session& session, const Planned& planned, const std::string& path) {
  const std::optional<RunRecord> last = last_run(session);
  SavedPlan saved{planned.plan, {}, last ? last->id : 0, last ? digest_of(*last) : "", std::time(nullptr)};
  if (planned.plan.purpose == PlanPurpose::apply) {
    saved.spec_path = std::filesystem::absolute(session.options.arguments.front()).lexically_normal().string();
  }
  const std::string text = plan_file_text(saved);
  const std::string part = path + ".part";
  unlink(part.c_str());
  const auto fail = [&](const char* what) {
    const std::string why = words_for_errno(errno);
    unlink(part.c_str());
    throw Failure(exit_nothing_changed, fmt::format("the plan cannot be saved to {}: {}", printable(path), what), why,
                  "give a file in a directory that you can write, with --out FILE");
  };
  const Descriptor file(open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) fail("it cannot be made");
  if (!write_all(file, text) || fsync(file.get()) != 0) fail("it cannot be written");
  if (std::rename(part.c_str(), path.c_str()) != 0) fail("it cannot be put in place");
}

}  // namespace gpuplan::command
