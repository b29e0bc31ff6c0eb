#include "api_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "node_disk.h"
#include "node_world.h"

namespace gpuplan::standin {
namespace {

constexpr int seconds_per_exchange = 60;
constexpr std::chrono::seconds report_interval{5};

class Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

void limit_time(const Socket& socket) {
  const timeval limit{seconds_per_exchange, 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

std::string receive(const Socket& from) {
  std::string text;
  char buffer[4096];
  for (ssize_t count = 0; (count = recv(from.get(), buffer, sizeof buffer, 0)) > 0;)
    text.append(buffer, static_cast<std::size_t>(count));
  return text;
}

void send_all(const Socket& to, const std::string& text) {
  std::size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t count = send(to.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;
    sent += static_cast<std::size_t>(count);
  }
  shutdown(to.get(), SHUT_WR);
}

sockaddr_in internet_address(const std::string& address) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(api_port);
  inet_pton(AF_INET, address.c_str(), &out.sin_addr);
  return out;
}

Json answer(const Json& request, const std::string& peer) {
  NodeDisk node({});
  sim::GuestDisk& own = node.disk();
  if (!own.state.contains("cluster")) return {{"error", "there is no cluster"}};
  if (request.contains("join")) {
    const Json& join = request.at("join");
    sim::GuestDisk joining = sim::guest_disk_from_json(join.at("disk"));
    NodeWorld world(own, join.at("node").get<std::string>(), peer);
    Command command;
    for (const Json& word : join.at("argv")) command.argv.push_back(word.get<std::string>());
    const CommandResult result = sim::run_guest_program(joining, world, command, false);
    if (result.ok()) {
      own.state["heartbeats"][world.node()] = {{"time", world.now()}, {"ca_hash", string_at(own.state, "/cluster/ca_hash")}};
    }
    node.save();
    return {{"exit_status", result.exit_status}, {"output", result.output}, {"errors", result.errors},
            {"disk", to_json(joining)}};
  }
  const std::string name = string_at(request, "/heartbeat/node");
  const std::string ca_hash = string_at(request, "/heartbeat/ca_hash");
  if (!own.state["cluster"]["nodes"].contains(name) || ca_hash != string_at(own.state, "/cluster/ca_hash"))
    return {{"error", "not a node of this cluster"}};
  own.state["heartbeats"][name] = {{"time", std::time(nullptr)}, {"ca_hash", ca_hash}};
  node.save();
  return Json::object();
}

// Ready means that pods could be started, too.
bool containerd_answers() {
  const Socket probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string("/run/containerd/containerd.sock").copy(address.sun_path, sizeof address.sun_path - 1);
  return connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

void serve_api() {
  const Socket listening(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int yes = 1;
  setsockopt(listening.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const sockaddr_in any = internet_address("0.0.0.0");
  if (bind(listening.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0 || listen(listening.get(), 16) != 0)
    throw std::runtime_error("cannot listen on port 6443");
  while (true) {
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const Socket peer(accept4(listening.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC));
    if (peer.get() < 0) continue;
    limit_time(peer);
    char address[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &from.sin_addr, address, sizeof address);
    const std::string request = receive(peer);
    if (request.empty()) continue;  // somebody who looks whether the port is open
    Json reply;
    try {
      reply = answer(parse_json(request, address), address);
    } catch (const std::exception& error) {
      reply = {{"error", error.what()}};
    }
    send_all(peer, reply.dump());
  }
}

std::optional<Json> ask_api(const std::string& address, const Json& request) {
  const Socket peer(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  limit_time(peer);
  const sockaddr_in to = internet_address(address);
  if (connect(peer.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return std::nullopt;
  send_all(peer, request.dump());
  const std::string reply = receive(peer);
  if (reply.empty()) return std::nullopt;
  return parse_json(reply, address);
}

bool api_answers(const std::string& address) {
  const Socket peer(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  limit_time(peer);
  const sockaddr_in to = internet_address(address);
  return connect(peer.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
}

void run_kubelet() {
  while (true) {
    Json membership;
    {
      NodeDisk node({});
      membership = member_at(node.disk().state, "/membership");
    }
    if (membership.is_object() && containerd_answers()) {
      const std::string endpoint = string_at(membership, "/endpoint");
      ask_api(endpoint.substr(0, endpoint.find(':')),
              {{"heartbeat", {{"node", string_at(membership, "/node")}, {"ca_hash", string_at(membership, "/ca_hash")}}}});
    }
    std::this_thread::sleep_for(report_interval);
  }
}

}  // namespace gpuplan::standin
