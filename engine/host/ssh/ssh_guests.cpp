#include "host/ssh/ssh_guests.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <sstream>
#include <string_view>

#include "host/ssh/guest_files.h"
#include "report/diagnostic.h"
#include "report/shell.h"

namespace gpuplan {
namespace {

using Kind = HostError::Kind;

// ssh's own failures; also what a remote command may return, but none of ours does.
constexpr int ssh_failed = 255;
constexpr int timeout_ended_it = 124;
constexpr std::chrono::seconds answer_limit{20};
// After the limit of a command, ssh itself gets this long to bring home what the guest's timeout(1) said.
constexpr std::chrono::seconds grace{5};

// A session of sshd has neither a full PATH nor a known locale.
constexpr const char* search_path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

bool uses_sudo(const GuestTarget& guest) { return guest.user != "root" && guest.is_machine(); }

// The command line for the shell that sshd starts: `argv` as root, with a full PATH and a known locale.
std::string as_root(const GuestTarget& guest, const std::vector<std::string>& argv) {
  if (!uses_sudo(guest))
    return fmt::format("{} LC_ALL=C exec {}", search_path, shell_words(argv));
  return fmt::format("LC_ALL=C exec sudo -n -- env {} LC_ALL=C {}", search_path, shell_words(argv));
}

// What sudo says of a machine that cannot resolve its own name, and goes on; it is no part of what the command says.
std::string without_resolver_warnings(std::string errors) {
  while (errors.rfind("sudo: unable to resolve host ", 0) == 0) {
    const std::size_t end = errors.find('\n');
    errors.erase(0, end == std::string::npos ? end : end + 1);
  }
  return errors;
}

// What sudo says before it starts anything; no program of ours begins a line so.
void require_root(const GuestTarget& guest, const CommandResult& result) {
  const bool refused = result.exit_status == 1 && result.errors.rfind("sudo: ", 0) == 0;
  const bool missing = result.exit_status == 127 && result.errors.find("exec: sudo: not found") != std::string::npos;
  if (!uses_sudo(guest) || !(refused || missing)) return;
  throw HostError(Kind::refused, guest.node,
                  fmt::format("{} cannot become root on {}: {}; allow it there with the line `{} ALL=(ALL) NOPASSWD: ALL` in "
                              "/etc/sudoers.d/gpuplan, or log in as root",
                              guest.user, shown(guest), printable(last_line(result.errors)), guest.user),
                  result.errors);
}

// Whether some of it is ssh's own, and not of the command that it ran.
bool ssh_says_why(const std::string& errors) {
  constexpr std::string_view beginnings[] = {"ssh: ", "ssh_", "Connection ", "Shared connection ", "client_loop: ", "kex_",
                                             "mux_client_", "Timeout, server ", "Host key verification failed", "@@@@@"};
  std::istringstream lines(errors);
  for (std::string line; std::getline(lines, line);) {
    const bool begins_so = std::any_of(std::begin(beginnings), std::end(beginnings),
                                       [&](std::string_view beginning) { return line.rfind(beginning, 0) == 0; });
    if (begins_so || line.find(": Permission denied (") != std::string::npos) return true;
  }
  return false;
}

HostError explain(const GuestTarget& guest, const std::string& errors) {
  const auto says = [&](const char* words) { return errors.find(words) != std::string::npos; };
  if (says("Host key verification failed") || says("REMOTE HOST IDENTIFICATION HAS CHANGED")) {
    return HostError(Kind::refused, guest.node,
                     fmt::format("whoever answers at {0} does not have the ssh host key that {2} {1}: another machine has this "
                                 "address, or it was installed anew; nothing was sent to it; `ip neigh show {0}` tells whose MAC "
                                 "answers, and {3}",
                                 guest.login_host(), guest.node, guest.is_machine() ? "is trusted for" : "gpuplan gave to",
                                 guest.is_machine()
                                     ? fmt::format("if it was installed anew, its new key belongs into the spec, as `host_key` of node {}",
                                                   guest.node)
                                     : fmt::format("`{}` makes the guest anew, with an empty disk",
                                                   suggested("apply SPEC --replace vm-define/" + guest.node))),
                     errors);
  }
  const std::string console = suggested(fmt::format("console {} --log", guest.node));
  if (says("Permission denied") && guest.is_machine()) {
    return HostError(Kind::refused, guest.node,
                     fmt::format("{} does not let {} in with the key {}", shown(guest), guest.user, guest.identity), errors);
  }
  if (says("Permission denied")) {
    return HostError(Kind::unreachable, guest.node,
                     fmt::format("{} does not accept gpuplan's ssh key (yet); if that lasts, its cloud-init did not read its "
                                 "seed: look at it with `{}`",
                                 shown(guest), console),
                     errors);
  }
  const std::string reason = last_line(errors);
  return HostError(Kind::unreachable, guest.node,
                   fmt::format("{} does not answer ssh{}{}; `{}` shows how far it is", shown(guest),
                               reason.empty() ? "" : ": ", printable(reason), console),
                   errors);
}

}  // namespace

std::string shell_words(const std::vector<std::string>& argv) {
  std::string words;
  for (const std::string& argument : argv) {
    if (!words.empty()) words += ' ';
    words += '\'';
    for (const char c : argument) {
      if (c == '\'') {
        words += "'\\''";
      } else {
        words += c;
      }
    }
    words += '\'';
  }
  return words;
}

SshGuests::SshGuests(SshOptions options, FileSystem& files, CommandRunner run)
    : options_(std::move(options)), run_program_(run), keys_(options_.key_directory, files, std::move(run)) {}

SshGuests::~SshGuests() {
  if (sockets_.empty()) return;
  for (std::vector<std::string> close : connected_) {
    close.insert(close.begin() + 1, {"-O", "exit"});
    try {
      run_program_({std::move(close), {}, std::chrono::seconds(5)});
    } catch (const HostError&) {
      // It closes by itself.
    }
  }
  ::rmdir(sockets_.c_str());
}

// A fresh directory: its name cannot be guessed, and nobody else can have put a socket there. Logins share a connection
// only if they trust the same key: ssh's own %C does not tell them apart.
std::string SshGuests::control_path(const GuestTarget& guest) {
  if (sockets_.empty()) {
    std::string pattern = options_.control_directory + "/gpuplan-ssh-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) {
      throw HostError(kind_of_errno(errno), options_.control_directory,
                      fmt::format("cannot make a directory for ssh's sockets in {}: {}", options_.control_directory,
                                  words_for_errno(errno)));
    }
    sockets_ = pattern;
  }
  if (!guest.is_machine()) return sockets_ + "/%C";
  return fmt::format("{}/{:08x}%C", sockets_, std::hash<std::string>()(guest.host_key + " " + guest.identity) & 0xffffffffU);
}

std::vector<std::string> SshGuests::ssh_options(const GuestTarget& guest) const {
  std::vector<std::string> argv = {"ssh", "-F", "/dev/null", "-x", "-a"};
  // What the spec pins is in no file of ours: ssh asks a program for it, without a shell.
  if (guest.is_machine())
    argv.insert(argv.end(), {"-o", fmt::format("KnownHostsCommand=/bin/echo {} {}", guest.node, guest.host_key)});
  const std::string known_hosts = guest.is_machine() ? "/dev/null" : keys_.known_hosts_file(guest.node);
  for (const std::string& option :
       {fmt::format("IdentityFile={}", guest.is_machine() ? guest.identity : keys_.identity_file()), std::string("IdentitiesOnly=yes"),
        std::string("IdentityAgent=none"), std::string("BatchMode=yes"), std::string("PreferredAuthentications=publickey"),
        fmt::format("UserKnownHostsFile={}", known_hosts),
        std::string("GlobalKnownHostsFile=/dev/null"), fmt::format("HostKeyAlias={}", guest.node),
        std::string("HostKeyAlgorithms=ssh-ed25519"), std::string("StrictHostKeyChecking=yes"),
        std::string("CheckHostIP=no"), std::string("UpdateHostKeys=no"), std::string("ConnectTimeout=8"),
        std::string("ServerAliveInterval=5"), std::string("ServerAliveCountMax=3"), std::string("LogLevel=ERROR")}) {
    argv.insert(argv.end(), {"-o", option});
  }
  argv.insert(argv.end(), {"-p", fmt::format("{}", guest.port), "-l", guest.user});
  return argv;
}

std::vector<std::string> SshGuests::ssh(const GuestTarget& guest) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::string> argv = ssh_options(guest);
  for (const std::string& option : {std::string("ControlMaster=auto"), std::string("ControlPersist=60"),
                                    fmt::format("ControlPath={}", control_path(guest))}) {
    argv.insert(argv.end(), {"-o", option});
  }
  argv.insert(argv.end(), {"-T", guest.login_host()});
  connected_.insert(argv);
  return argv;
}

// A connection of its own, which ends with the program.
std::optional<std::vector<std::string>> SshGuests::login(const GuestTarget& guest, const std::vector<std::string>& command) {
  require_keys(guest);
  std::vector<std::string> argv = ssh_options(guest);
  argv.insert(argv.end(), {"-o", "ControlPath=none"});
  if (!command.empty()) argv.emplace_back("-T");
  argv.push_back(guest.login_host());
  if (!command.empty()) argv.push_back(as_root(guest, command));
  return argv;
}

void SshGuests::require_keys(const GuestTarget& guest) {
  if (guest.is_machine() || keys_.has(guest.node)) return;
  throw HostError(Kind::unreachable, guest.node,
                  fmt::format("{} cannot be reached: gpuplan has no ssh keys for it here; they lie with the state of the user who "
                              "made the cluster: run gpuplan as that user, or with that --state-dir",
                              shown(guest)));
}

CommandResult SshGuests::run(const GuestTarget& guest, const Command& command) {
  require_keys(guest);
  std::vector<std::string> on_guest = {"timeout", "-k", "2", fmt::format("{}", command.limit.count())};
  on_guest.insert(on_guest.end(), command.argv.begin(), command.argv.end());
  Command login{ssh(guest), command.standard_input, command.limit + grace};
  login.argv.push_back(as_root(guest, on_guest));
  const auto started = std::chrono::steady_clock::now();
  const auto time_is_up = [&] { return std::chrono::steady_clock::now() - started >= command.limit; };
  CommandResult result;
  try {
    result = run_program_(login);
    if (uses_sudo(guest)) result.errors = without_resolver_warnings(std::move(result.errors));
  } catch (const HostError& error) {
    if (error.kind() != Kind::timed_out) throw;
    throw HostError(Kind::timed_out, guest.node,
                    fmt::format("`{}` on {} did not end within {} s", join_argv(command.argv), shown(guest),
                                command.limit.count()),
                    error.output_tail());
  }
  // A command that had to be killed takes timeout(1) with it, and ssh then fails without a word of its own.
  const bool was_killed = result.exit_status == ssh_failed && !ssh_says_why(result.errors);
  if ((result.exit_status == timeout_ended_it || was_killed) && time_is_up()) {
    throw HostError(Kind::timed_out, guest.node,
                    fmt::format("`{}` on {} was ended after {} s", join_argv(command.argv), shown(guest),
                                command.limit.count()),
                    ends_of(result));
  }
  if (result.exit_status == ssh_failed) throw explain(guest, result.errors);
  require_root(guest, result);
  return result;
}

bool never_reached(const HostError& error) {
  return error.kind() == Kind::unreachable && error.output_tail().find("ssh: connect to host ") != std::string::npos;
}

bool SshGuests::answers(const GuestTarget& guest) {
  try {
    return run(guest, {{"true"}, {}, answer_limit}).ok();
  } catch (const HostError& error) {
    if (error.kind() == Kind::unreachable || error.kind() == Kind::timed_out) return false;
    throw;
  }
}

}  // namespace gpuplan
