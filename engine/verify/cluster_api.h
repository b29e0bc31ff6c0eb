// kubectl on a control plane, as far as verifying needs it.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "host/ports.h"
#include "json/json.h"

namespace gpuplan::verify {

// Every function throws HostError if the guest does not answer or kubectl fails.
class ClusterApi {
 public:
  ClusterApi(Host& host, GuestTarget control_plane) : host_(host), control_plane_(std::move(control_plane)) {}

  Host& host() { return host_; }
  const GuestTarget& control_plane() const { return control_plane_; }

  // `kubectl ARGUMENTS…` that changes nothing; its exit status is the caller's to look at.
  CommandResult ask(std::vector<std::string> arguments);
  // The objects of one type; `scope` is "--all-namespaces", "--namespace=NAME" or empty.
  std::vector<Json> objects(const std::string& type, const std::string& scope = {});
  // One object without a namespace; null if it is not there.
  Json object(const std::string& type, const std::string& name);
  // A command that changes something, with `input` on its standard input.
  CommandResult run(std::vector<std::string> arguments, const std::string& input, std::chrono::seconds limit);

 private:
  Host& host_;
  GuestTarget control_plane_;
};

// The last line that a program wrote, without control characters.
std::string complaint_of(const CommandResult& result);

}  // namespace gpuplan::verify
