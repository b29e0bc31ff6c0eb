#include "cluster_common/guest_session.h"

#include <fmt/format.h>

#include <sstream>

#include "plugin/waiting.h"
#include "report/shell.h"

namespace gpuplan::cluster {
namespace {

constexpr std::chrono::milliseconds poll_interval{3000};

// What a guest may answer while it is still coming up.
bool may_pass(HostError::Kind kind) {
  return kind == HostError::Kind::unreachable || kind == HostError::Kind::timed_out ||
         kind == HostError::Kind::failed || kind == HostError::Kind::not_found;
}

std::string trimmed(const std::string& line) {
  const std::size_t begin = line.find_first_not_of(" \t");
  const std::size_t end = line.find_last_not_of(" \t\r");
  return begin == std::string::npos ? "" : line.substr(begin, end - begin + 1);
}

// kubeadm lists what stopped it as "[ERROR …]" lines; kubectl and helm begin theirs with "error".
std::string complaint_in(const std::string& errors) {
  std::istringstream lines(errors);
  std::string line, listed, first, last;
  while (std::getline(lines, line)) {
    line = trimmed(line);
    if (line.empty() || line.rfind("To see the stack trace", 0) == 0) continue;
    last = line;
    if (line.rfind("[ERROR", 0) == 0)
      listed += (listed.empty() ? "" : "; ") + line;
    else if (first.empty() && (line.rfind("error", 0) == 0 || line.rfind("Error", 0) == 0))
      first = line;
  }
  return !listed.empty() ? listed : !first.empty() ? first : last;
}

// The words of a command, but for the options that gpuplan gives to every kubectl and helm.
std::string without_options(const std::vector<std::string>& argv) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < argv.size(); ++i) {
    if (argv[i] == "--kubeconfig") ++i;
    else if (argv[i].rfind("--request-timeout=", 0) != 0) words.push_back(argv[i]);
  }
  return join_argv(words);
}

}  // namespace

GuestView::Look GuestView::look() {
  Look seen;
  try {
    seen.lets_in = host_.guests().answers(target_);
    if (!seen.lets_in) seen.addresses = host_.guests().addresses_by_agent(target_);
    if (seen.lets_in || seen.addresses) {
      seen.presence = Presence::answers;
    } else if (!target_.is_machine()) {
      const auto domain = host_.hypervisor().domain(target_.node);
      if (!domain) seen.presence = Presence::absent;
      else if (domain->power != PowerState::running) seen.presence = Presence::off;
    }
  } catch (const HostError&) {
    // Silent.
  }
  return seen;
}

std::string GuestView::trouble() { return words_of(look()); }

std::string GuestView::words_of(const Look& seen) const {
  if (seen.lets_in || seen.presence == Presence::absent) return {};
  if (seen.presence == Presence::off) return target_.node + " is off";
  const std::string silence = fmt::format("{} does not answer a login at {}", target_.node, target_.login_host());
  return seen.addresses ? fmt::format("{}; its guest agent answers: it has {}", silence, *seen.addresses) : silence;
}

CommandResult GuestView::query(std::vector<std::string> argv, std::chrono::seconds limit) {
  return query(Command{std::move(argv), {}, limit});
}

CommandResult GuestView::query(const Command& command) { return host_.guests().query(target_, command); }

bool GuestView::has(const std::string& path) { return query({"test", "-e", path}).ok(); }

std::optional<std::string> GuestView::get(const std::string& path) { return host_.guests().get(target_, path); }

std::string Guest::run(std::vector<std::string> argv, std::chrono::seconds limit) {
  const Command command{std::move(argv), {}, limit};
  const CommandResult result = [&] {
    try {
      return try_run(command);
    } catch (const HostError& error) {
      if (error.kind() != HostError::Kind::timed_out) throw;
      throw HostError(error.kind(), error.subject(), error.what() + see_log(context_, target_.node), error.output_tail());
    }
  }();
  if (result.ok()) return result.output;
  const HostError failure = guest_failure(target_.node, command.argv, result);
  throw HostError(failure.kind(), failure.subject(), failure.what() + see_log(context_, target_.node), failure.output_tail());
}

std::string Guest::run_for_secret(std::vector<std::string> argv, std::chrono::seconds limit) {
  const Command command{std::move(argv), {}, limit};
  CommandResult result;
  try {
    result = writable_.guests().run(target_, command);
  } catch (const HostError& error) {
    if (error.kind() != HostError::Kind::timed_out) throw;
    throw HostError(error.kind(), error.subject(), error.what());
  }
  context_.keep_output(target_.node, fmt::format("`{}`: exit status {}", join_argv(command.argv), result.exit_status),
                       result.ok() ? "(what it printed is a secret)" : result.errors);
  if (!result.ok()) throw guest_failure(target_.node, command.argv, {result.exit_status, {}, result.errors});
  return result.output;
}

CommandResult Guest::try_run(const Command& command) {
  const std::string words = join_argv(command.argv);
  try {
    CommandResult result = writable_.guests().run(target_, command);
    context_.keep_output(target_.node, fmt::format("`{}`: exit status {}", words, result.exit_status),
                         result.output + result.errors);
    return result;
  } catch (const HostError& error) {
    context_.keep_output(target_.node, fmt::format("`{}`: {}", words, error.what()), error.output_tail());
    throw;
  }
}

void Guest::put(const std::string& path, const std::string& content) {
  writable_.guests().put(target_, path, content, 0644);
}

void Guest::put_secret(const std::string& path, const std::string& content) {
  writable_.guests().put(target_, path, content, 0600);
}

void Guest::remove(const std::string& path) {
  if (has(path)) writable_.guests().remove(target_, path);
}

std::string by_ssh(const std::string& cluster, const std::string& node, const std::string& command) {
  return fmt::format("`{} -- {}`", suggested(fmt::format("ssh {} --cluster {}", node, cluster)), command);
}

std::string see_log(const StepContext& context, const std::string& node) {
  const std::string file = context.output_of(node);
  if (file.empty()) return {};
  return fmt::format("; `{}` prints all of its output, which is in {}",
                     suggested(fmt::format("logs {} --cluster {}", node, context.spec().cluster)), file);
}

std::string complaint_of(const CommandResult& result) {
  return complaint_in(result.errors.empty() ? result.output : result.errors);
}

HostError guest_failure(const std::string& node, const std::vector<std::string>& argv, const CommandResult& result) {
  const std::string complaint = complaint_of(result);
  const std::string sentence =
      complaint.empty() ? fmt::format("`{}` on {} failed with exit status {}", without_options(argv), node, result.exit_status)
                        : fmt::format("{} (on {}: `{}`, exit status {})", complaint, node, without_options(argv), result.exit_status);
  return HostError(HostError::Kind::failed, join_argv(argv), sentence, result.errors.empty() ? result.output : result.errors);
}

void wait_for(StepContext& context, const std::string& what, std::int64_t limit_seconds,
              const std::function<bool(std::string& seen)>& ready, const InVain& in_vain) {
  std::string seen;
  context.progress("waiting for " + what);
  try {
    context.wait_until(what, std::chrono::seconds(limit_seconds), poll_interval, [&] {
      try {
        return ready(seen);
      } catch (const HostError& error) {
        if (!may_pass(error.kind())) throw;
        seen = error.what();
        return false;
      }
    });
  } catch (const HostError& error) {
    if (error.kind() != HostError::Kind::timed_out) throw;
    std::string sentence = waited_in_vain(what, limit_seconds);
    if (!seen.empty()) sentence += "; last seen: " + seen;
    if (!in_vain.look.empty()) sentence += "; " + in_vain.look;
    if (!in_vain.timeout.empty()) sentence += "; " + more_time(in_vain.timeout, limit_seconds);
    throw HostError(HostError::Kind::timed_out, error.subject(), sentence, error.output_tail());
  }
}

void wait_for_login(StepContext& context, GuestView& guest) {
  const std::string console =
      suggested(fmt::format("console {} --cluster {} --log", guest.target().node, context.spec().cluster));
  wait_for(context, fmt::format("a login on {} at {}", guest.target().node, guest.target().login_host()),
           context.spec().timeouts.ssh, [&](std::string& seen) {
             const GuestView::Look now = guest.look();
             seen = now.presence == Presence::absent ? fmt::format("there is no domain {}", guest.target().node)
                                                     : guest.words_of(now);
             return now.lets_in;
           },
           {"ssh", "`" + console + "` shows how far it is"});
}

bool wait_to_undo(StepContext& context, GuestView& guest) {
  const Presence presence = guest.presence();
  if (presence == Presence::absent || presence == Presence::off) return false;
  if (presence == Presence::silent) wait_for_login(context, guest);
  return true;
}

}  // namespace gpuplan::cluster
