// The verbs and flags of the program: what exists, and what the help texts say.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gpuplan::command {

struct Session;

struct Flag {
  std::string_view name;      // "state-dir"
  std::string_view value;     // "DIR"; empty for a flag without a value
  std::string_view help;      // one line
  bool global = false;        // every verb accepts it
};

struct Verb {
  std::string_view name;
  std::string_view argument;  // "SPEC", "[SPEC]", "[RUN]", or empty
  std::string_view summary;   // one line
  std::string_view text;      // what it does, in whole sentences; may have several lines
  std::string_view example;   // command lines
  std::vector<std::string_view> flags;  // beside the global ones
  int (*run)(Session& session);
  std::size_t most_arguments = 1;       // of a verb that takes any

  bool takes_argument() const { return !argument.empty(); }
  bool takes_command() const { return argument.find("[-- ") != std::string_view::npos; }
  bool needs_argument() const { return !argument.empty() && argument.front() != '['; }
};

const std::vector<Verb>& all_verbs();
const std::vector<Flag>& all_flags();
const Verb* find_verb(std::string_view name);
const Flag* find_flag(std::string_view name);

// "plan [SPEC] [flags]"; flags stand in front of a command for a node, for behind it every word is one of its own.
std::string usage(const Verb& verb);
// `gpuplan --help`.
std::string program_help();
// `gpuplan VERB --help`.
std::string verb_help(const Verb& verb);

// One per verb, each in the file of its name. Returns the exit code; throws Failure.
int run_apply(Session& session);
int run_check(Session& session);
int run_console(Session& session);
int run_destroy(Session& session);
int run_discover(Session& session);
int run_graph(Session& session);
int run_history(Session& session);
int run_init(Session& session);
int run_kubeconfig(Session& session);
int run_logs(Session& session);
int run_plan(Session& session);
int run_plugins(Session& session);
int run_record(Session& session);
int run_rollback(Session& session);
int run_show(Session& session);
int run_ssh(Session& session);
int run_status(Session& session);
int run_validate(Session& session);
int run_verify(Session& session);
int run_version(Session& session);

}  // namespace gpuplan::command
