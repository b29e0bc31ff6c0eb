#include "verify/cluster_api.h"

#include <fmt/format.h>

#include <sstream>

#include "report/diagnostic.h"

namespace gpuplan::verify {
namespace {

constexpr std::chrono::seconds query_limit{30};

std::vector<std::string> kubectl(std::vector<std::string> arguments) {
  std::vector<std::string> argv = {"kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"};
  argv.insert(argv.end(), std::make_move_iterator(arguments.begin()), std::make_move_iterator(arguments.end()));
  return argv;
}

}  // namespace

std::string complaint_of(const CommandResult& result) {
  std::istringstream lines(result.errors.empty() ? result.output : result.errors);
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t\r") != std::string::npos) last = line;
  }
  return printable(last);
}

CommandResult ClusterApi::ask(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "--request-timeout=20s");
  return host_.guests().query(control_plane_, {kubectl(std::move(arguments)), {}, query_limit});
}

namespace {

// `asked` and what came of it; null if nothing was printed.
Json read_answer(const std::string& asked, const CommandResult& result) {
  if (!result.ok())
    throw HostError(HostError::Kind::failed, asked,
                    fmt::format("`kubectl get {}` failed: {}", asked, complaint_of(result)));
  if (result.output.find_first_not_of(" \n") == std::string::npos) return nullptr;
  try {
    return parse_json(result.output, "output of kubectl get " + asked);
  } catch (const JsonError& error) {
    throw HostError(HostError::Kind::failed, asked, error.what());
  }
}

}  // namespace

std::vector<Json> ClusterApi::objects(const std::string& type, const std::string& scope) {
  std::vector<std::string> arguments = {"get", type, "-o", "json"};
  if (!scope.empty()) arguments.push_back(scope);
  const Json list = read_answer(type, ask(arguments));
  std::vector<Json> out;
  for (const Json& item : member_at(list, "/items")) out.push_back(item);
  return out;
}

Json ClusterApi::object(const std::string& type, const std::string& name) {
  return read_answer(type + " " + name, ask({"get", type, name, "--ignore-not-found", "-o", "json"}));
}

CommandResult ClusterApi::run(std::vector<std::string> arguments, const std::string& input,
                              std::chrono::seconds limit) {
  return host_.guests().run(control_plane_, {kubectl(std::move(arguments)), input, limit});
}

}  // namespace gpuplan::verify
