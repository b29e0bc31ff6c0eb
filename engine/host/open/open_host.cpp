#include "host/open/open_host.h"

#include <fmt/format.h>

#include <string_view>

#include "host/local/local_host.h"
#include "host/sim/sim_host.h"

namespace gpuplan {
namespace {

constexpr std::string_view local_name = "local";
constexpr std::string_view sim_prefix = "sim:";
constexpr const char* both_forms = "--host local is this machine, --host sim:FILE the one that FILE describes";

Diagnostic problem(std::string summary, std::string remedy) {
  Diagnostic diagnostic;
  diagnostic.summary = std::move(summary);
  diagnostic.remedy = std::move(remedy);
  return diagnostic;
}

Diagnostic unknown_host(const std::string& name) {
  const std::size_t colon = name.find(':');
  // "sin:twin.yaml": the part that can be misspelt is the one before the colon.
  const std::string word = name.substr(0, colon);
  const std::string near = did_you_mean(word, {"local", "sim"});
  std::string remedy = both_forms;
  if (near == "sim") {
    remedy = fmt::format("did you mean sim:{}? {}", colon == std::string::npos ? "FILE" : name.substr(colon + 1), remedy);
  } else if (near == "local") {
    remedy = fmt::format("did you mean local? {}", remedy);
  }
  return problem(fmt::format("--host: \"{}\" is no kind of host", printable(name)), std::move(remedy));
}

}  // namespace

bool is_simulated(const std::string& name) { return name.compare(0, sim_prefix.size(), sim_prefix) == 0; }

OpenedHost open_host(const HostOptions& options, Diagnostics& diagnostics) {
  OpenedHost opened;
  if (options.name == local_name) {
    LocalHostOptions local;
    local.libvirt_uri = options.libvirt_uri;
    local.download_directory = options.download_directory;
    local.key_directory = options.key_directory;
    opened.host = open_local_host(local);
    return opened;
  }
  if (options.name == "sim" || options.name == sim_prefix) {
    diagnostics.add(problem("--host: a simulated host needs the file that describes it", "for example --host sim:specs/hosts/h100-sxm8.yaml"));
    return opened;
  }
  if (is_simulated(options.name)) {
    opened.host = open_sim_host(options.name.substr(sim_prefix.size()), options.state_dir, diagnostics);
    opened.simulated = opened.host != nullptr;
    return opened;
  }
  diagnostics.add(unknown_host(options.name));
  return opened;
}

}  // namespace gpuplan
