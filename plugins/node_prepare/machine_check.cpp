#include "machine_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace gpuplan::node_prepare {
namespace {

constexpr std::chrono::seconds ask_limit{30};

class MachineCheck {
 public:
  MachineCheck(std::vector<CheckResult>& out, const Resource& resource, const GuestTarget& target, HostReader& host)
      : out_(out), resource_(resource), target_(target), host_(host) {}

  // False if it is another machine now.
  bool check_sameness(const std::string& last_address) {
    const std::string now = target_.is_machine() ? target_.address : "";
    if (last_address == now) return true;
    const auto described = [](const std::string& address) { return address.empty() ? "a VM" : "the machine " + address; };
    add("node-machine", CheckStatus::fail,
        fmt::format("{} is {}, the spec says {}: one cannot become the other", target_.node, described(last_address), described(now)),
        fmt::format("give the new one another name, or apply once without {}", target_.node));
    return false;
  }

  // `if_silent`: how bad it is that it does not answer.
  void check_login(CheckStatus if_silent) {
    const std::string by_hand =
        fmt::format("see that `ssh -i {} -p {} {}@{} {}` works", target_.identity, target_.port, target_.user, target_.login_host(),
                    target_.user == "root" ? "true" : "sudo -n true");
    try {
      if (!host_.guests().answers(target_)) {
        add("node-login", if_silent,
            fmt::format("{} does not answer a login at {} port {}", target_.node, target_.login_host(), target_.port), by_hand);
        return;
      }
      add("node-login", CheckStatus::pass, fmt::format("{} lets {} in", target_.login_host(), target_.user), "");
      check_address();
    } catch (const HostError& error) {
      add("node-login", CheckStatus::fail, error.what(), by_hand);
    }
  }

 private:
  void add(const char* name, CheckStatus status, std::string found, std::string remedy) {
    out_.push_back({name, resource_.address, status, std::move(found), "", std::move(remedy), false, resource_.where});
  }

  // The kubelet refuses to start with an address that is not the machine's. A hostname without -I tells nothing.
  void check_address() {
    const CommandResult addresses = host_.guests().query(target_, {{"hostname", "-I"}, {}, ask_limit});
    if (!addresses.ok()) return;
    std::vector<std::string> present;
    std::istringstream words(addresses.output);
    for (std::string word; words >> word;) present.push_back(word);
    if (std::find(present.begin(), present.end(), target_.address) != present.end()) return;
    add("node-address", CheckStatus::fail,
        fmt::format("{} does not have the address {}; it has {}", target_.node, target_.address, fmt::join(present, ", ")),
        "say with `address` of the node which of them the other nodes reach");
  }

  std::vector<CheckResult>& out_;
  const Resource& resource_;
  const GuestTarget& target_;
  HostReader& host_;
};

}  // namespace

void check_machine(std::vector<CheckResult>& out, const Resource& resource, const GuestTarget& target,
                   const std::string& last_address, const Prior& prior, HostReader& host) {
  MachineCheck check(out, resource, target, host);
  if (prior.owned && !prior.declared.empty() && !check.check_sameness(last_address)) return;
  if (target.is_machine()) check.check_login(prior.owned ? CheckStatus::warn : CheckStatus::fail);
}

}  // namespace gpuplan::node_prepare
