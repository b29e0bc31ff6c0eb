#include "host/agent/guest_agent.h"

#include <fmt/format.h>

#include "digest/digest.h"
#include "json/json.h"
#include "report/diagnostic.h"

namespace gpuplan {
namespace {

using Kind = HostError::Kind;

constexpr std::chrono::seconds answer_limit{5};
constexpr std::chrono::milliseconds poll_interval{300};
// After the limit of a command, timeout(1) in the guest gets this long to end it.
constexpr std::chrono::seconds grace{5};
constexpr int timeout_ended_it = 124;
// libvirt's protocol takes 4 MiB of text, which base64 makes longer by a third.
constexpr std::size_t longest_input = 2 << 20;
constexpr const char* environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};

HostError not_the_protocol(const std::string& domain, const std::string& why) {
  return HostError(Kind::failed, domain, fmt::format("the guest agent of {} gave an answer that is not its protocol's: {}", domain, printable(why)));
}

// The member `return` of the answer to one command.
Json ask(const AgentCall& call, const std::string& domain, const std::string& name, const Json& arguments) {
  Json command = {{"execute", name}};
  if (!arguments.empty()) command["arguments"] = arguments;
  const std::string answer = call(domain, command.dump(), answer_limit);
  try {
    const Json json = parse_json(answer, fmt::format("the answer of the guest agent of {}", domain));
    if (json.is_object() && json.contains("return")) return json["return"];
  } catch (const JsonError& error) {
    throw not_the_protocol(domain, error.what());
  }
  throw not_the_protocol(domain, "it has no `return`");
}

std::string decoded(const std::string& domain, const Json& status, const char* member) {
  const std::string text = string_at(status, member);
  const auto bytes = from_base64(text);
  if (!bytes) throw not_the_protocol(domain, fmt::format("`{}` is not base64", member + 1));
  return *bytes;
}

Json exec_arguments(const Command& command) {
  Json words = Json::array();
  for (const char* variable : environment) words.push_back(variable);
  for (const std::string& word : {std::string("timeout"), std::string("-k"), std::string("2"), fmt::format("{}", command.limit.count())})
    words.push_back(word);
  for (const std::string& word : command.argv) words.push_back(word);
  Json arguments = {{"path", "/usr/bin/env"}, {"arg", words}, {"capture-output", true}};
  if (!command.standard_input.empty()) arguments["input-data"] = to_base64(command.standard_input);
  return arguments;
}

// `printed`: the end of what the command said; an agent tells that of one that has ended only.
HostError too_late(const std::string& domain, const Command& command, std::string printed) {
  return HostError(Kind::timed_out, domain,
                   fmt::format("`{}` on {} was ended after {} s", join_argv(command.argv), domain, command.limit.count()),
                   std::move(printed));
}

std::string addresses_in(const Json& interfaces) {
  std::string found, without;
  for (const Json& interface : interfaces) {
    const std::string name = printable(string_at(interface, "/name"));
    if (name.empty() || name == "lo") continue;
    bool has_address = false;
    for (const Json& address : member_at(interface, "/ip-addresses")) {
      if (string_at(address, "/ip-address-type") != "ipv4") continue;
      found += fmt::format("{}{} ({})", found.empty() ? "" : ", ", printable(string_at(address, "/ip-address")), name);
      has_address = true;
    }
    if (!has_address) without += fmt::format("{}{}", without.empty() ? "" : ", ", name);
  }
  if (!found.empty()) return found;
  return without.empty() ? "no address and no network interface" : fmt::format("no address on {}", without);
}

}  // namespace

std::optional<std::string> GuestAgent::addresses(const std::string& domain) {
  try {
    return addresses_in(ask(call_, domain, "guest-network-get-interfaces", {}));
  } catch (const HostError&) {
    return std::nullopt;
  }
}

CommandResult GuestAgent::run(const std::string& domain, const Command& command) {
  if (command.standard_input.size() > longest_input) {
    throw HostError(Kind::refused, domain,
                    fmt::format("{} MiB are too much for the guest agent of {}", command.standard_input.size() >> 20, domain));
  }
  const Json started = ask(call_, domain, "guest-exec", exec_arguments(command));
  const Json pid = {{"pid", int_at(started, "/pid")}};
  const auto begun = std::chrono::steady_clock::now();
  for (;;) {
    const Json status = ask(call_, domain, "guest-exec-status", pid);
    const auto took = std::chrono::steady_clock::now() - begun;
    if (bool_at(status, "/exited")) {
      // Killed by a signal, as a shell would count it.
      const auto exit_status = static_cast<int>(int_at(status, "/exitcode", 128 + int_at(status, "/signal")));
      const bool was_ended = exit_status == timeout_ended_it && took >= command.limit;
      if (!was_ended && (bool_at(status, "/out-truncated") || bool_at(status, "/err-truncated")))
        throw HostError(Kind::failed, domain, fmt::format("`{}` on {} printed more than its guest agent keeps", join_argv(command.argv), domain));
      CommandResult result{exit_status, decoded(domain, status, "/out-data"), decoded(domain, status, "/err-data")};
      if (was_ended) throw too_late(domain, command, ends_of(result));
      return result;
    }
    if (took >= command.limit + grace) throw too_late(domain, command, {});
    clock_.sleep_for(poll_interval);
  }
}

}  // namespace gpuplan
