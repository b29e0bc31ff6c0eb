// The guest agent's protocol, against an agent whose answers are written down here.
#include "host/agent/guest_agent.h"

#include <deque>

#include "digest/digest.h"
#include "json/json.h"
#include "support/catch.h"
#include "support/host_error_of.h"
#include "support/memory_host.h"

using namespace gpuplan;

namespace {

// Answers one call after the other, and keeps what was asked.
struct ScriptedAgent {
  std::deque<std::string> answers;
  std::vector<Json> asked;

  AgentCall call() {
    return [this](const std::string& domain, const std::string& command, std::chrono::seconds) {
      CHECK(domain == "gpu-worker-1");
      asked.push_back(parse_json(command, "command"));
      if (answers.empty()) throw HostError(HostError::Kind::timed_out, domain, "cannot ask the guest agent: not connected");
      const std::string answer = answers.front();
      answers.pop_front();
      return answer;
    };
  }
};

std::string exited(int status, const std::string& output, const std::string& errors) {
  return Json{{"return",
               {{"exited", true}, {"exitcode", status}, {"out-data", to_base64(output)}, {"err-data", to_base64(errors)}}}}
      .dump();
}

const std::string begun = R"({"return":{"pid":17}})";
const std::string running = R"({"return":{"exited":false}})";

}  // namespace

TEST_CASE("guest agent: a command comes back with its status and output") {
  ScriptedAgent script{{begun, running, exited(3, std::string("out\0\xff", 5), "err")}, {}};
  test::MemoryHost host;
  GuestAgent agent(script.call(), host.clock());
  const CommandResult result = agent.run("gpu-worker-1", {{"cat", "a b"}, "secret", std::chrono::seconds(30)});
  CHECK(result.exit_status == 3);
  CHECK(result.output == std::string("out\0\xff", 5));
  CHECK(result.errors == "err");
  REQUIRE(script.asked.size() == 3);
  CHECK(script.asked[0]["execute"] == "guest-exec");
  const Json& arguments = script.asked[0]["arguments"];
  CHECK(arguments["path"] == "/usr/bin/env");
  CHECK(arguments["capture-output"] == true);
  CHECK(from_base64(arguments["input-data"].get<std::string>()) == "secret");
  const auto words = arguments["arg"].get<std::vector<std::string>>();
  CHECK(std::vector<std::string>(words.end() - 6, words.end()) ==
        std::vector<std::string>{"timeout", "-k", "2", "30", "cat", "a b"});
  CHECK(script.asked[2] == Json{{"execute", "guest-exec-status"}, {"arguments", {{"pid", 17}}}});
}

TEST_CASE("guest agent: a command that a signal ended has the status of a shell") {
  ScriptedAgent script{{begun, R"({"return":{"exited":true,"signal":9}})"}, {}};
  test::MemoryHost host;
  CHECK(GuestAgent(script.call(), host.clock()).run("gpu-worker-1", {{"true"}}).exit_status == 137);
}

TEST_CASE("guest agent: what goes wrong is told, whatever the guest answers") {
  test::MemoryHost host;
  const auto error_of = [&](std::deque<std::string> answers, const Command& command = {{"true"}}) {
    ScriptedAgent script{std::move(answers), {}};
    return host_error_of([&] { GuestAgent(script.call(), host.clock()).run("gpu-worker-1", command); });
  };
  CHECK(error_of({}).kind() == HostError::Kind::timed_out);
  for (const std::string answer : {"", "[]", "{}", "\x1b[31m", R"({"error":{"class":"CommandNotFound"}})"}) {
    const HostError error = error_of({answer});
    CHECK(error.kind() == HostError::Kind::failed);
    CHECK_THAT(error.what(), contains("not its protocol's"));
    CHECK(std::string(error.what()).find('\x1b') == std::string::npos);
  }
  CHECK_THAT(error_of({begun, R"({"return":{"exited":true,"exitcode":0,"out-data":"%%"}})"}).what(), contains("not base64"));
  CHECK_THAT(error_of({begun, R"({"return":{"exited":true,"exitcode":0,"out-truncated":true}})"}).what(), contains("printed more"));
  const HostError late =
      error_of({begun, exited(124, "at work\n", "in trouble\n")}, {{"sleep", "9"}, "", std::chrono::seconds(0)});
  CHECK(late.kind() == HostError::Kind::timed_out);
  CHECK(late.output_tail() == "at work\nin trouble\n");
  CHECK(error_of({begun}, {{"cat"}, std::string(3 << 20, 'x')}).kind() == HostError::Kind::refused);
}

TEST_CASE("guest agent: the guest's addresses in words") {
  test::MemoryHost host;
  const auto addresses = [&](const std::string& interfaces) {
    ScriptedAgent script{{"{\"return\":" + interfaces + "}"}, {}};
    return GuestAgent(script.call(), host.clock()).addresses("gpu-worker-1");
  };
  const std::string loopback = R"({"name":"lo","ip-addresses":[{"ip-address-type":"ipv4","ip-address":"127.0.0.1"}]})";
  CHECK(addresses("[" + loopback + R"(,{"name":"enp1s0","ip-addresses":[{"ip-address-type":"ipv6","ip-address":"fe80::1"},)" +
                  R"({"ip-address-type":"ipv4","ip-address":"192.168.130.21"}]}])") == "192.168.130.21 (enp1s0)");
  CHECK(addresses("[" + loopback + R"(,{"name":"enp1s0"}])") == "no address on enp1s0");
  CHECK(addresses("[" + loopback + "]") == "no address and no network interface");
  CHECK(addresses("7") == "no address and no network interface");
  ScriptedAgent silent;
  CHECK_FALSE(GuestAgent(silent.call(), host.clock()).addresses("gpu-worker-1"));
}
