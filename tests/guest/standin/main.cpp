// kubeadm, kubelet, kubectl and helm for guests that cannot have the real ones: the programs that simulated guests
// interpret, on a real guest's files. Which of them it is, its name says. See docs/guests.md.
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <iostream>
#include <sstream>

#include "api_server.h"
#include "host/sim/guest_kubeadm_config.h"
#include "node_disk.h"
#include "node_world.h"

namespace gpuplan::standin {

std::string own_name() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return name;
}

std::string own_address() {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return {};
  std::string found;
  for (const ifaddrs* one = all; one != nullptr && found.empty(); one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET || (one->ifa_flags & IFF_LOOPBACK) != 0) continue;
    char text[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr, text, sizeof text);
    found = text;
  }
  freeifaddrs(all);
  return found;
}

namespace {

// Lines of DIRECTORY/faults: "kubeadm join 2 fail", "kubectl apply 1 hang": what the Nth such call does. "late": it has
// been made an hour ago.
std::string fault_of(NodeDisk& node, const std::string& call) {
  Json& count = node.disk().state["calls"][call];
  count = (count.is_number() ? count.get<std::int64_t>() : 0) + 1;
  node.save();
  std::istringstream lines(read_text(std::string(directory) + "/faults"));
  for (std::string line; std::getline(lines, line);) {
    const std::string head = call + " " + count.dump() + " ";
    if (line.rfind(head, 0) == 0) return line.substr(head.size());
  }
  return {};
}

void systemctl(const char* verb) {
  const pid_t child = fork();
  if (child == 0) {
    execlp("systemctl", "systemctl", verb, "guest-standin-api.service", "kubelet.service", nullptr);
    _exit(127);
  }
  if (child > 0) waitpid(child, nullptr, 0);
}

std::string endpoint_of(const sim::GuestDisk& disk, const std::vector<std::string>& argv) {
  for (std::size_t i = 2; i + 1 < argv.size(); ++i) {
    if (argv[i] != "--config") continue;
    const std::string version = string_at(disk.state, "/kubeadm_version");
    const int minor = std::atoi(version.substr(version.find('.') + 1).c_str());
    const sim::KubeadmConfig config = sim::read_kubeadm_config(disk, argv[i + 1], minor);
    const std::string endpoint = string_at(config.document("JoinConfiguration"), "/discovery/bootstrapToken/apiServerEndpoint");
    return endpoint.substr(0, endpoint.find(':'));
  }
  return {};
}

// What only the control plane can judge, it does; whatever is wrong already here is said here.
CommandResult join(NodeDisk& node, const Command& command) {
  const std::string endpoint = endpoint_of(node.disk(), command.argv);
  if (!endpoint.empty()) {
    const Json request = {{"join", {{"node", own_name()}, {"argv", command.argv}, {"disk", to_json(node.disk())}}}};
    const std::optional<Json> reply = ask_api(endpoint, request);
    if (reply && reply->contains("exit_status")) {
      node.disk() = sim::guest_disk_from_json(reply->at("disk"));
      return {static_cast<int>(int_at(*reply, "/exit_status")), string_at(*reply, "/output"), string_at(*reply, "/errors")};
    }
  }
  NodeWorld world(node.disk(), own_name(), own_address());
  return sim::run_guest_program(node.disk(), world, command, false);
}

bool needs_api(const std::string& program, const std::string& subcommand) {
  if (program == "kubeadm") return subcommand == "token";
  return (program == "helm" || program == "kubectl") && subcommand != "version";
}

// The first word that is no flag and no flag's value.
std::string subcommand_of(const std::vector<std::string>& argv) {
  for (std::size_t i = 1; i < argv.size(); ++i) {
    if (argv[i] == "--kubeconfig") ++i;
    else if (argv[i].rfind('-', 0) != 0) return argv[i];
  }
  return {};
}

CommandResult run(const Command& command) {
  const std::string& program = command.argv.front();
  const std::string subcommand = subcommand_of(command.argv);
  std::string fault;
  {
    NodeDisk node({});
    fault = fault_of(node, program + " " + subcommand);
  }
  if (fault == "fail") return {1, {}, "error: this call was told to fail\n"};
  while (fault == "hang") pause();
  CommandResult result;
  {
    NodeDisk node(command.argv);
    if (needs_api(program, subcommand) && !api_answers("127.0.0.1")) {
      return {1, {}, "The connection to the server " + own_address() + ":6443 was refused - did you specify the right host or port?\n"};
    }
    if (program == "kubeadm" && subcommand == "join") {
      result = join(node, command);
    } else {
      NodeWorld world(node.disk(), own_name(), own_address(), fault == "late" ? 3600 : 0);
      result = sim::run_guest_program(node.disk(), world, command, false);
    }
    node.save();
  }
  if (program == "kubeadm" && result.ok()) {
    if (subcommand == "reset") systemctl("stop");
    if (subcommand == "init" || subcommand == "join") systemctl("start");
  }
  return result;
}

}  // namespace
}  // namespace gpuplan::standin

int main(int argc, char** argv) try {
  using namespace gpuplan;
  Command command{std::vector<std::string>(argv, argv + argc), {}};
  std::string& program = command.argv.at(0);
  program.erase(0, program.rfind('/') + 1);
  if (program == "guest-standin-api") standin::serve_api();
  if (program == "kubelet" && argc == 1) standin::run_kubelet();
  const CommandResult result = standin::run(command);
  std::cout << result.output;
  std::cerr << result.errors;
  return result.exit_status;
} catch (const std::exception& error) {
  std::cerr << "error: stand-in: " << error.what() << "\n";
  return 70;
}
