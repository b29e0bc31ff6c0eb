// The stand-in for the API server: one JSON document in, one out, through TCP. It has the control plane's state; who
// joins or reports goes through it.
#pragma once

#include <optional>
#include <string>

#include "json/json.h"

namespace gpuplan::standin {

[[noreturn]] void serve_api();

// Sends `request` to ADDRESS:6443. Nothing if nobody answers there.
std::optional<Json> ask_api(const std::string& address, const Json& request);
bool api_answers(const std::string& address);

// {"join": {"node", "argv", "disk"}} → {"exit_status", "output", "errors", "disk"}: kubeadm join, as the control plane
// sees it. {"heartbeat": {"node", "ca_hash"}} → {}.
[[noreturn]] void run_kubelet();

}  // namespace gpuplan::standin
