#include "command/host_keys.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <sstream>

#include "command/exit_codes.h"
#include "command/failure.h"
#include "digest/digest.h"
#include "host/files/durable_files.h"
#include "spec/host_key.h"
#include "yaml/parse.h"

namespace gpuplan::command {
namespace {

constexpr unsigned private_mode = 0600;

// By "ADDRESS:PORT".
using AcceptedKeys = std::map<std::string, std::string>;

std::string place_of(const MachineSpec& machine) { return fmt::format("{}:{}", machine.host, machine.port); }

AcceptedKeys read_accepted(const std::string& path) {
  AcceptedKeys keys;
  std::error_code ignored;
  if (!std::filesystem::exists(std::filesystem::symlink_status(path, ignored))) return keys;
  Diagnostics problems;
  const auto file = read_source_file(path, problems);
  if (file == nullptr) throw Failure(exit_nothing_changed, problems.items());
  std::istringstream lines(file->text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t blank = line.find(' ');
    const std::string key = blank == std::string::npos ? "" : line.substr(blank + 1);
    if (!is_ed25519_host_key(key)) {
      throw Failure(exit_nothing_changed, fmt::format("{} has a line that is no accepted host key", printable(path)),
                    "something other than gpuplan has written to it",
                    fmt::format("remove {}; gpuplan asks again for the keys that are not in the spec", printable(path)));
    }
    keys[line.substr(0, blank)] = key;
  }
  return keys;
}

void write_accepted(const std::string& path, const AcceptedKeys& keys) {
  std::string text;
  for (const auto& [place, key] : keys) text += fmt::format("{} {}\n", place, key);
  replace_file(path, text, private_mode);
}

// The key that whoever answers at the machine's address has.
std::string scan(Session& session, const std::string& node, const MachineSpec& machine) {
  Command keyscan;
  keyscan.argv = {"ssh-keyscan", "-T", "5", "-t", "ed25519", "-p", std::to_string(machine.port), machine.host};
  keyscan.limit = std::chrono::seconds(20);
  std::istringstream lines(session.host.host->query(keyscan).output);
  for (std::string line; std::getline(lines, line);) {
    const std::string key = line.substr(line.find(' ') + 1);
    if (is_ed25519_host_key(key)) return key;
  }
  throw Failure(exit_nothing_changed,
                fmt::format("{} does not tell an ed25519 ssh host key at {} port {}", node, machine.host, machine.port),
                "the spec has no host_key for it, so gpuplan asked the machine itself",
                fmt::format("is its sshd running (`ssh-keyscan -t ed25519 -p {} {}`)?", machine.port, machine.host));
}

std::string ask_for(Session& session, const std::string& node, const MachineSpec& machine) {
  const std::string key = scan(session, node, machine);
  const std::string fingerprint = ssh_fingerprint(key);
  if (!session.console.can_ask()) {
    throw Failure(exit_nothing_changed, fmt::format("node {} has no host_key in the spec, and nobody can be asked for it", node),
                  fmt::format("at {} port {} answers {}", machine.host, machine.port, fingerprint),
                  fmt::format("if `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the machine itself prints that, add `host_key: "
                              "{}` to its node, or run this on a terminal",
                              key));
  }
  session.console.out() << fmt::format(
      "The spec has no host_key for {}. At {} port {} answers\n  {}\n"
      "On the machine itself, `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints the same, unless somebody stands between.\n",
      node, machine.host, machine.port, fingerprint);
  if (session.console.ask(fmt::format("Trust it for cluster {} from now on? Only \"yes\" is accepted: ", session.cluster))) return key;
  throw Failure(exit_nothing_changed, fmt::format("the host key of {} was not accepted; nothing was changed", node));
}

}  // namespace

void complete_host_keys(Session& session, Spec& spec) {
  const std::string path = session.state.cluster_directory(session.cluster) + "/host_keys";
  std::optional<AcceptedKeys> accepted;
  const auto complete = [&](const std::string& node, std::optional<MachineSpec>& machine) {
    if (!machine || !machine->host_key.empty()) return;
    if (!accepted) accepted = read_accepted(path);
    std::string& key = (*accepted)[place_of(*machine)];
    if (key.empty()) {
      key = ask_for(session, node, *machine);
      session.state.make(session.cluster);
      write_accepted(path, *accepted);
    }
    machine->host_key = key;
  };
  complete(spec.control_plane.name, spec.control_plane.machine);
  for (WorkerSpec& worker : spec.workers) complete(worker.name, worker.machine);
}

}  // namespace gpuplan::command
