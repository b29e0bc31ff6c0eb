#include <fmt/format.h>

#include <algorithm>

#include "command/verbs.h"

namespace gpuplan::command {
namespace {

constexpr std::size_t flag_column = 24;

// Every line of `text` with `indent` blanks in front.
std::string indented(std::string_view text, std::size_t indent) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out += fmt::format("{:{}}{}\n", "", indent, text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string describe(const Flag& flag) {
  const std::string left = fmt::format("  --{}{}{}", flag.name, flag.value.empty() ? "" : " ", flag.value);
  std::string right = indented(flag.help, flag_column);
  if (left.size() < flag_column) right.replace(0, left.size(), left);
  else right = left + '\n' + right;
  return right;
}

std::string describe_global_flags() {
  std::string out;
  for (const Flag& flag : all_flags()) {
    if (flag.global) out += describe(flag);
  }
  return out;
}

constexpr std::string_view exit_codes =
    "Exit codes:\n"
    "    0   done, or nothing to do\n"
    "    1   nothing was changed: bad input, a refusal, a failed check\n"
    "    2   changes are pending (plan --detailed-exitcode only)\n"
    "    3   a step failed; `gpuplan rollback` undoes what is left of the run. Or every step is done, but the\n"
    "        cluster failed its verification: there is nothing to undo\n"
    "    4   another run is working on the cluster\n"
    "    5   a saved plan is stale\n"
    "    6   the server must be rebooted first\n"
    "    7   rollback left differences\n"
    "   64   bad flags\n"
    "  129, 130, 143   interrupted by SIGHUP, SIGINT, SIGTERM\n"
    "  141   nobody read what was printed to its end\n";

}  // namespace

std::string usage(const Verb& verb) {
  const std::size_t command = std::min(verb.argument.find("[-- "), verb.argument.size());
  std::string out = fmt::format("{} {}", verb.name, verb.argument.substr(0, command));
  if (out.back() != ' ') out += ' ';
  out += "[flags]";
  if (command < verb.argument.size()) out += fmt::format(" {}", verb.argument.substr(command));
  return out;
}

std::string program_help() {
  std::string out =
      "gpuplan turns one GPU server into a Kubernetes cluster, and takes it back.\n\n"
      "Usage: gpuplan VERB [SPEC] [flags]\n\n"
      "Verbs:\n";
  for (const Verb& verb : all_verbs()) out += fmt::format("  {:<12}{}\n", verb.name, verb.summary);
  out += "\nGlobal flags:\n" + describe_global_flags() + '\n';
  out += exit_codes;
  out += "\nExample:\n  gpuplan plan specs/h100-8gpu.yaml --host sim:specs/hosts/h100-sxm8.yaml\n"
         "\n`gpuplan VERB --help` tells more about a verb.\n";
  return out;
}

std::string verb_help(const Verb& verb) {
  std::string out = fmt::format("Usage: gpuplan {}\n\n{}\n", usage(verb), verb.text);
  if (!verb.flags.empty()) out += "\nFlags:\n";
  for (const std::string_view name : verb.flags) out += describe(*find_flag(name));
  out += "\nGlobal flags:\n" + describe_global_flags();
  out += fmt::format("\nExample{}:\n{}", verb.example.find('\n') == std::string_view::npos ? "" : "s",
                     indented(verb.example, 2));
  return out;
}

}  // namespace gpuplan::command
