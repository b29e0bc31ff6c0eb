#include "command/options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/verbs.h"

namespace gpuplan::command {
namespace {

namespace po = boost::program_options;

[[noreturn]] void refuse(std::string summary, std::string remedy) {
  throw Failure(exit_bad_flags, std::move(summary), {}, std::move(remedy));
}

// The verb that the words seem to be about, even if they cannot be parsed.
const Verb* guess_verb(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (const Verb* verb = find_verb(word)) return verb;
  }
  return nullptr;
}

bool accepts(const Verb* verb, const Flag& flag) {
  if (flag.global || verb == nullptr) return true;
  return std::find(verb->flags.begin(), verb->flags.end(), flag.name) != verb->flags.end();
}

std::string help_hint(const Verb* verb) {
  return verb == nullptr ? "`gpuplan --help` lists verbs and flags"
                         : fmt::format("`gpuplan {} --help` lists its flags", verb->name);
}

[[noreturn]] void refuse_unknown_flag(std::string word, const Verb* verb) {
  word.erase(0, word.find_first_not_of('-'));
  word.erase(std::min(word.find('='), word.size()));
  std::vector<std::string_view> names;
  for (const Flag& flag : all_flags()) {
    if (accepts(verb, flag)) names.push_back(flag.name);
  }
  const std::string near = did_you_mean(word, names);
  refuse(fmt::format("there is no flag --{}", word),
         near.empty() ? help_hint(verb) : fmt::format("did you mean --{}? {}", near, help_hint(verb)));
}

// "apply, rollback and destroy"
std::string verbs_with(std::string_view flag) {
  std::vector<std::string_view> names;
  for (const Verb& verb : all_verbs()) {
    if (std::find(verb.flags.begin(), verb.flags.end(), flag) != verb.flags.end()) names.push_back(verb.name);
  }
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? " and " : ", ";
    out += names[i];
  }
  return out;
}

po::options_description describe_flags() {
  po::options_description description;
  for (const Flag& flag : all_flags()) {
    const std::string name = flag.name == "help" ? "help,h" : std::string(flag.name);
    if (flag.value.empty()) description.add_options()(name.c_str(), "");
    else description.add_options()(name.c_str(), po::value<std::vector<std::string>>(), "");
  }
  description.add_options()("words", po::value<std::vector<std::string>>(), "");
  return description;
}

po::parsed_options parse_words(const std::vector<std::string>& words) {
  static const po::options_description description = describe_flags();
  po::positional_options_description positional;
  positional.add("words", -1);
  namespace style = po::command_line_style;
  try {
    return po::command_line_parser(words)
        .options(description)
        .positional(positional)
        .style(style::unix_style & ~style::allow_guessing)
        .run();
  } catch (const po::unknown_option& error) {
    refuse_unknown_flag(error.get_option_name(), guess_verb(words));
  } catch (const po::invalid_command_line_syntax& error) {
    std::string name = error.get_option_name();
    name.erase(0, std::min(name.find_first_not_of('-'), name.size()));
    const Flag* flag = find_flag(name);
    if (flag != nullptr && !flag->value.empty()) {
      refuse(fmt::format("--{} needs a value", name), fmt::format("write --{} {}", name, flag->value));
    }
    refuse(fmt::format("--{} takes no value", name), help_hint(guess_verb(words)));
  } catch (const po::error&) {
    refuse("the command line cannot be read", help_hint(guess_verb(words)));
  }
}

// All values that were given for one flag, in order.
std::vector<std::string> values_of(const po::parsed_options& parsed, std::string_view name) {
  std::vector<std::string> out;
  for (const auto& option : parsed.options) {
    if (option.string_key == name) out.insert(out.end(), option.value.begin(), option.value.end());
  }
  return out;
}

bool has(const po::parsed_options& parsed, std::string_view name) {
  return std::any_of(parsed.options.begin(), parsed.options.end(),
                     [name](const auto& option) { return option.string_key == name; });
}

// The one value of a flag that must not be repeated; the fallback if it was not given.
std::string value_of(const po::parsed_options& parsed, std::string_view name, std::string fallback) {
  const std::vector<std::string> values = values_of(parsed, name);
  if (values.empty()) return fallback;
  if (values.size() > 1) refuse(fmt::format("--{} is given {} times", name, values.size()), "give it once");
  if (values.front().empty()) {
    refuse(fmt::format("--{} has an empty value", name), fmt::format("write --{} {}", name, find_flag(name)->value));
  }
  return values.front();
}

std::int64_t number_of(const po::parsed_options& parsed, std::string_view name, std::int64_t fallback,
                       std::int64_t most) {
  const std::string text = value_of(parsed, name, std::to_string(fallback));
  std::int64_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc{} || result.ptr != text.data() + text.size() || number < 1 || number > most) {
    refuse(fmt::format("--{} needs a number from 1 to {}, not \"{}\"", name, most, printable(text)),
           fmt::format("write --{} {}", name, fallback));
  }
  return number;
}

void check_host_name(const std::string& host) {
  if (host == "local" || (host.rfind("sim:", 0) == 0 && host.size() > 4)) return;
  const std::string near = did_you_mean(host.substr(0, host.find(':')), {"local", "sim"});
  const bool path = host.find('/') != std::string::npos || host.find(".yaml") != std::string::npos;
  refuse(fmt::format("--host \"{}\" is not a host", printable(host)),
         path && near != "sim" ? fmt::format("for a simulated server write --host sim:{}", printable(host))
         : near == "sim"       ? "did you mean sim:FILE? FILE describes the simulated server"
         : near == "local"     ? "did you mean local?"
                               : "write --host local, or --host sim:FILE");
}

void check_cluster_name(const std::string& cluster) {
  const bool good = cluster.size() <= 63 && std::all_of(cluster.begin(), cluster.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
                    });
  if (good) return;
  refuse(fmt::format("--cluster \"{}\" is not the name of a cluster", printable(cluster)),
         "a name has lower-case letters, digits and dashes; `gpuplan status` lists the clusters");
}

std::string choose_state_dir(const po::parsed_options& parsed, const Environment& environment) {
  std::string given = value_of(parsed, "state-dir", environment.state_dir);
  if (given.empty() && environment.root) given = root_state_dir;
  if (given.empty() && !environment.xdg_state_home.empty()) given = environment.xdg_state_home + "/gpuplan";
  if (given.empty() && !environment.home.empty()) given = environment.home + "/.local/state/gpuplan";
  if (given.empty()) refuse("there is no place to keep state: HOME is not set", "give --state-dir DIR");
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(given, error);
  return error ? given : absolute.lexically_normal().string();
}

// Of a directory that is not absolute nothing is made (XDG Base Directory Specification).
std::string choose_download_directory(const Environment& environment) {
  if (environment.root) return "/var/cache/gpuplan";
  if (!environment.xdg_cache_home.empty() && environment.xdg_cache_home.front() == '/') return environment.xdg_cache_home + "/gpuplan";
  return environment.home.empty() ? "" : environment.home + "/.cache/gpuplan";
}

// The first of the files in KUBECONFIG, as kubectl reads it, else kubectl's usual one.
std::string choose_kubeconfig(const Environment& environment) {
  std::istringstream list(environment.kubeconfig);
  for (std::string path; std::getline(list, path, ':');) {
    if (path.empty()) continue;
    std::error_code error;
    const std::filesystem::path absolute = std::filesystem::absolute(path, error);
    return error ? path : absolute.lexically_normal().string();
  }
  return environment.home.empty() ? "" : environment.home + "/.kube/config";
}

std::vector<Fault> read_faults(const po::parsed_options& parsed) {
  std::vector<Fault> faults;
  for (const std::string& text : values_of(parsed, "fault")) {
    const std::optional<Fault> fault = parse_fault(text);
    if (!fault) {
      refuse(fmt::format("--fault \"{}\" is not a fault", printable(text)),
             "write ADDRESS:EFFECT, call:N:EFFECT or journal:N:EFFECT, with EFFECT fail, hang, kill or power-cut; "
             "plugin:N:EFFECT, with fail, kill or power-cut; or disk:N:EFFECT, with full, io-error, read-only or power-cut");
    }
    faults.push_back(*fault);
  }
  return faults;
}

ColorMode read_color(const po::parsed_options& parsed, const Environment& environment) {
  const std::string text = value_of(parsed, "color", "auto");
  if (text == "always") return ColorMode::always;
  if (text == "never") return ColorMode::never;
  if (text == "auto") return environment.no_color ? ColorMode::never : ColorMode::automatic;
  refuse(fmt::format("--color \"{}\" is not a choice", printable(text)), "write --color auto, always or never");
}

LogLevel read_log_level(const po::parsed_options& parsed) {
  const std::string text = value_of(parsed, "log-level", "warning");
  if (const auto level = log_level_from_string(text)) return *level;
  const std::string near = did_you_mean(text, {"debug", "info", "warning", "error"});
  refuse(fmt::format("--log-level \"{}\" is not a level", printable(text)),
         near.empty() ? "write --log-level debug, info, warning or error" : fmt::format("did you mean {}?", near));
}

void check_flags_of_verb(const po::parsed_options& parsed, const Verb& verb) {
  for (const auto& option : parsed.options) {
    const Flag* flag = find_flag(option.string_key);
    if (flag == nullptr || accepts(&verb, *flag)) continue;
    const std::string owners = verbs_with(flag->name);
    refuse(fmt::format("`gpuplan {}` has no flag --{}", verb.name, flag->name),
           owners.empty() ? help_hint(&verb) : fmt::format("--{} belongs to {}", flag->name, owners));
  }
}

// `behind` is what stands behind "--": a command for a verb that takes one, else words like the others.
void read_words(const po::parsed_options& parsed, const std::vector<std::string>& behind, Options& options) {
  std::vector<std::string> words = values_of(parsed, "words");
  const Verb* taker = words.empty() ? nullptr : find_verb(words.front());
  if (taker != nullptr && taker->takes_command()) options.guest_command = behind;
  else words.insert(words.end(), behind.begin(), behind.end());
  if (words.empty()) return;
  options.verb = words.front();
  options.arguments.assign(words.begin() + 1, words.end());
  const Verb* verb = find_verb(options.verb);
  if (verb == nullptr) {
    std::vector<std::string_view> names;
    for (const Verb& known : all_verbs()) names.push_back(known.name);
    const std::string near = did_you_mean(options.verb, names);
    refuse(fmt::format("there is no verb \"{}\"", printable(options.verb)),
           near.empty() ? help_hint(nullptr) : fmt::format("did you mean `gpuplan {}`?", near));
  }
  check_flags_of_verb(parsed, *verb);
  if (options.help) return;
  if (verb->needs_argument() && options.arguments.empty()) {
    refuse(fmt::format("`gpuplan {}` needs a {}", verb->name, verb->argument),
           fmt::format("write gpuplan {} {}", verb->name, verb->argument == "SPEC" ? "FILE.yaml" : verb->argument));
  }
  if (options.arguments.size() > (verb->takes_argument() ? verb->most_arguments : 0U)) {
    refuse(fmt::format("\"{}\" is one argument too many", printable(options.arguments.back())),
           "write gpuplan " + usage(*verb));
  }
}

std::vector<Address> read_addresses(const po::parsed_options& parsed, std::string_view flag) {
  std::vector<Address> out;
  for (const std::string& text : values_of(parsed, flag)) {
    const std::optional<Address> address = Address::parse(text);
    if (!address) {
      refuse(fmt::format("--{} \"{}\" is not an address", flag, printable(text)),
             "write KIND/NAME, for example vm-define/gpu-worker-1; `gpuplan graph SPEC` lists them");
    }
    out.push_back(*address);
  }
  return out;
}

Selection read_selection(const po::parsed_options& parsed) {
  return {read_addresses(parsed, "target"), read_addresses(parsed, "exclude"), read_addresses(parsed, "replace")};
}

// What a suggested command must say again to mean the same server and the same state.
std::string flags_to_repeat(const po::parsed_options& parsed) {
  std::string out;
  for (const std::string_view name : {"host", "state-dir", "plugin-path"}) {
    for (const std::string& value : values_of(parsed, name)) out += fmt::format(" --{} {}", name, shell_quoted(value));
  }
  return out;
}

}  // namespace

Failure::Failure(int exit_code, std::string summary, std::string why, std::string remedy) : exit_code_(exit_code) {
  problems_.push_back({Severity::error, std::move(summary), std::move(why), std::move(remedy), {}, {}});
}

Diagnostic diagnostic_of(const JournalError& error) {
  const std::string text = error.what();
  const std::size_t end = text.rfind("; ");
  if (end == std::string::npos) return {Severity::error, text, {}, {}, {}, {}};
  return {Severity::error, text.substr(0, end), {}, text.substr(end + 2), {}, {}};
}

Environment read_environment() {
  const auto value = [](const char* name) {
    const char* text = std::getenv(name);
    return std::string(text == nullptr ? "" : text);
  };
  return {value("GPUPLAN_STATE_DIR"), value("XDG_STATE_HOME"), value("XDG_CACHE_HOME"), value("HOME"),
          value("GPUPLAN_PCI_IDS"), value("KUBECONFIG"), !value("NO_COLOR").empty(), geteuid() == 0};
}

Options parse_options(const std::vector<std::string>& words, const Environment& environment) {
  const auto end = std::find(words.begin(), words.end(), "--");
  const po::parsed_options parsed = parse_words({words.begin(), end});
  Options options;
  options.help = has(parsed, "help");
  options.version = has(parsed, "version");
  read_words(parsed, end == words.end() ? std::vector<std::string>{} : std::vector<std::string>(end + 1, words.end()), options);
  options.host = value_of(parsed, "host", "local");
  check_host_name(options.host);
  options.cluster = value_of(parsed, "cluster", "");
  check_cluster_name(options.cluster);
  options.state_dir = choose_state_dir(parsed, environment);
  options.root = environment.root;
  options.users_own_state = !environment.root && value_of(parsed, "state-dir", environment.state_dir).empty();
  options.download_directory = choose_download_directory(environment);
  options.plugin_paths = values_of(parsed, "plugin-path");
  options.parallelism = static_cast<std::size_t>(number_of(parsed, "parallelism", 10, 1000));
  options.log_level = read_log_level(parsed);
  options.color = read_color(parsed, environment);
  options.json = has(parsed, "json");
  options.yes = has(parsed, "yes");
  options.detailed_exitcode = has(parsed, "detailed-exitcode");
  options.explain = has(parsed, "explain");
  options.purge = has(parsed, "purge");
  options.faults = read_faults(parsed);
  if (has(parsed, "run")) options.run = number_of(parsed, "run", 1, 1'000'000'000);
  options.format = value_of(parsed, "format", "dot");
  if (options.format != "dot" && options.format != "mermaid") {
    refuse(fmt::format("--format \"{}\" is not a format", printable(options.format)), "write --format dot or mermaid");
  }
  options.destroy = has(parsed, "destroy");
  options.tree = has(parsed, "tree");
  options.all = has(parsed, "all");
  if (has(parsed, "workers")) options.workers = static_cast<std::size_t>(number_of(parsed, "workers", 2, 1024));
  options.pci_ids = environment.pci_ids;
  options.out = value_of(parsed, "out", "");
  options.log = has(parsed, "log");
  options.merge = has(parsed, "merge");
  options.use_context = has(parsed, "use-context");
  options.kubeconfig = choose_kubeconfig(environment);
  options.selection = read_selection(parsed);
  options.command_line = "gpuplan";
  for (const std::string& word : words) options.command_line += ' ' + shell_quoted(word);
  options.repeated_flags = flags_to_repeat(parsed);
  return options;
}

}  // namespace gpuplan::command
