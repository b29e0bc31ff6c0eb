#include "command/run.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <iostream>

#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/outcome.h"
#include "command/session.h"
#include "command/verbs.h"
#include "host/host_error.h"
#include "host/interrupt.h"
#include "plan/contained_call.h"
#include "plan/print_json.h"
#include "plan/print_text.h"
#include "report/shell.h"

namespace gpuplan::command {
namespace {

bool streams_events(const std::string& verb) { return verb == "apply" || verb == "rollback" || verb == "destroy"; }

// --json: the document, or for verbs that run something the last event, that stands in for a result.
void tell_in_json(Console& console, const std::string& verb, const Failure& failure, const std::string& status) {
  std::vector<Diagnostic> errors;
  for (const Diagnostic& problem : failure.problems()) {
    if (problem.severity == Severity::error) errors.push_back(problem);
  }
  Json document = {{"format_version", plan_format_version}, {"errors", diagnostics_to_json(errors)}};
  std::string next = errors.empty() ? "" : errors.front().remedy;
  if (const auto* checks = dynamic_cast<const ChecksFailed*>(&failure)) {
    document["checks"] = checks_to_json(checks->checks());
    for (const CheckResult& check : checks->checks()) {
      if (next.empty() && check.status == CheckStatus::fail) next = check.remedy;
    }
  }
  if (!streams_events(verb)) {
    console.document(document);
    return;
  }
  document["type"] = "run_finished";
  document["status"] = status;
  document["exit_code"] = failure.exit_code();
  document["run"] = nullptr;
  document["resources"] = Json::array();
  document["next"] = next;
  console.event(std::move(document));
}

int tell(Console& console, const std::string& verb, const Failure& failure, const std::string& status) {
  if (console.json()) tell_in_json(console, verb, failure, status);
  if (const auto* checks = dynamic_cast<const ChecksFailed*>(&failure)) {
    if (!console.json()) console.out() << print_checks(checks->checks(), false, {console.color_out(), false});
    console.show(failure.problems());
    console.err() << "error: nothing was changed, because checks failed\n"
                     "  next: mend what they name, then try again; `gpuplan check SPEC` shows all checks\n";
    return failure.exit_code();
  }
  console.show(failure.problems());
  return failure.exit_code();
}

int run_verb(const Options& options, Console& console) {
  const Verb& verb = *find_verb(options.verb);
  try {
    Session session(options, console);
    return verb.run(session);
  } catch (const Failure& failure) {
    return tell(console, options.verb, failure, failure.exit_code() == exit_step_failed ? "failed" : "refused");
  } catch (const Interrupted&) {
    const int number = interrupted_exit_code();
    // The pods of `verify` are the one thing that a verb may leave.
    Failure failure(number, "interrupted; nothing was changed");
    if (options.verb == "verify") {
      failure = Failure(number, "interrupted", "pods of the tests may still run",
                        "the next `gpuplan verify` removes what is left in namespace gpuplan-verify");
    }
    return tell(console, options.verb, failure, "interrupted");
  } catch (const JournalError& error) {
    return tell(console, options.verb, Failure(exit_nothing_changed, {diagnostic_of(error)}), "refused");
  } catch (const HostError& error) {
    return tell(console, options.verb, Failure(exit_nothing_changed, {diagnostic_of(error, {})}), "refused");
  }
}

// Errors of the command line itself: --json may stand in it without having been read.
int tell_bad_flags(const std::vector<std::string>& words, const Environment& environment, const Failure& failure) {
  const bool json = std::find(words.begin(), words.end(), "--json") != words.end();
  Console console(environment.no_color ? ColorMode::never : ColorMode::automatic, json);
  const auto verb = std::find_if(words.begin(), words.end(), [](const std::string& word) { return find_verb(word) != nullptr; });
  return tell(console, verb == words.end() ? "" : *verb, failure, "refused");
}

bool reader_is_gone() {
  struct pollfd out {STDOUT_FILENO, POLLOUT, 0};
  return poll(&out, 1, 0) > 0 && (out.revents & POLLERR) != 0;
}

// A verb that only prints has not done its work if that did not get where it goes. A reader who has gone knows: the exit
// code is then that of programs which SIGPIPE ends.
int end_printing(Console& console, int code) {
  const std::optional<int> error = console.end_output();
  if (!error) return code;
  if (*error == EPIPE || reader_is_gone()) return code == exit_done ? exit_signal_base + SIGPIPE : code;
  console.show(Failure(exit_nothing_changed, "standard output could not be written to its end: what was printed is not whole",
                       *error == 0 ? "" : words_for_errno(*error), "make room where it goes to, then run the command again")
                   .problems());
  return code == exit_done ? exit_nothing_changed : code;
}

}  // namespace

int run(int argc, char** argv) {
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  const Environment environment = read_environment();
  Options options;
  try {
    options = parse_options(words, environment);
    if (options.version && options.verb.empty()) options.verb = "version";
    if (!options.help && options.verb.empty()) {
      throw Failure(exit_bad_flags, "a verb is missing", {}, "`gpuplan --help` lists the verbs");
    }
  } catch (const Failure& failure) {
    return tell_bad_flags(words, environment, failure);
  }
  repeat_in_suggestions(options.repeated_flags);
  set_log_level(options.log_level);
  Console console(options.color, options.json);
  if (options.help) {
    console.out() << (options.verb.empty() ? program_help() : verb_help(*find_verb(options.verb)));
    return end_printing(console, exit_done);
  }
  const int code = run_verb(options, console);
  if (!streams_events(options.verb)) return end_printing(console, code);
  console.end_output();  // what became of the server counts, whoever listens
  return code;
}

}  // namespace gpuplan::command
