// What a guest's agent answers: root on this host reads it, and whoever is root in the guest wrote it.
#include "fuzz/fuzz.h"
#include "host/agent/guest_agent.h"
#include "host/host_error.h"
#include "support/memory_host.h"

using namespace gpuplan;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<fuzz::Part> answers = fuzz::parts(data, size);
  std::size_t at = 0;
  test::MemoryHost host;
  GuestAgent agent(
      [&](const std::string& domain, const std::string&, std::chrono::seconds) {
        if (at == answers.size()) throw HostError(HostError::Kind::timed_out, domain, "no further answer");
        return answers[at++].text;
      },
      host.clock());
  agent.addresses("gpu-worker-1");
  try {
    const CommandResult result = agent.run("gpu-worker-1", {{"kubeadm", "reset", "--force"}, "input", std::chrono::seconds(30)});
    fuzz::require(result.output.size() <= size && result.errors.size() <= size, "no output that was not sent");
  } catch (const HostError& error) {
    fuzz::require(*error.what() != '\0', "an error says something");
  }
  return 0;
}
