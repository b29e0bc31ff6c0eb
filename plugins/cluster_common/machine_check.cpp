#include "cluster_common/machine_check.h"

#include <fmt/format.h>

namespace gpuplan::cluster {
namespace {

// "10.0.0.5" of "ubuntu@10.0.0.5:22 …"; empty for a VM.
std::string address_in(const std::string& login) {
  const std::size_t at = login.find('@');
  return at == std::string::npos ? "" : login.substr(at + 1, login.find(':', at) - at - 1);
}

}  // namespace

void check_machine(std::vector<CheckResult>& out, const Resource& resource, const GuestTarget& target,
                   const std::string& last_login, const Prior& prior, HostReader& host) {
  const auto add = [&](const char* name, CheckStatus status, std::string found, std::string remedy) {
    out.push_back({name, resource.address, status, std::move(found), "", std::move(remedy), false, resource.where});
  };
  const std::string now = target.is_machine() ? target.address : "";
  if (prior.owned && !prior.declared.empty() && address_in(last_login) != now) {
    const auto described = [](const std::string& address) { return address.empty() ? "a VM" : "the machine " + address; };
    add("node-machine", CheckStatus::fail,
        fmt::format("{} is {}, the spec says {}: one cannot become the other", target.node, described(address_in(last_login)),
                    described(now)),
        fmt::format("give the new one another name, or apply once without {}", target.node));
    return;
  }
  if (!target.is_machine()) return;
  const CheckStatus trouble = prior.owned ? CheckStatus::warn : CheckStatus::fail;
  const std::string by_hand = fmt::format("see that `ssh -i {} -p {} {}@{} {}` works", target.identity, target.port, target.user,
                                          target.address, target.user == "root" ? "true" : "sudo -n true");
  try {
    if (host.guests().answers(target))
      add("node-login", CheckStatus::pass, fmt::format("{} lets {} in", target.address, target.user), "");
    else
      add("node-login", trouble, fmt::format("{} does not answer a login at {} port {}", target.node, target.address, target.port),
          by_hand);
  } catch (const HostError& error) {
    add("node-login", CheckStatus::fail, error.what(), by_hand);
  }
}

}  // namespace gpuplan::cluster
