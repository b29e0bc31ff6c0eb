#include "labels_and_taints.h"

#include <fmt/format.h>

#include <algorithm>

namespace gpuplan::worker_join {
namespace {

bool has_identity(const Texts& texts, const std::string& identity) {
  return std::any_of(texts.begin(), texts.end(), [&](const std::string& text) { return identity_of(text) == identity; });
}

}  // namespace

Texts texts_of_labels(const WorkerSpec& worker) {
  Texts out;
  for (const auto& [key, value] : worker.labels) out.push_back(fmt::format("{}={}", key, value));
  return out;
}

Texts texts_of_taints(const WorkerSpec& worker) {
  Texts out;
  for (const NodeTaint& taint : worker.taints) out.push_back(taint.to_string());
  std::sort(out.begin(), out.end());
  return out;
}

Texts labels_of(const Json& node) {
  Texts out;
  const Json& labels = member_at(node, "/metadata/labels");
  if (!labels.is_object()) return out;
  for (const auto& [key, value] : labels.items()) {
    if (value.is_string()) out.push_back(fmt::format("{}={}", key, value.get<std::string>()));
  }
  std::sort(out.begin(), out.end());
  return out;
}

Texts taints_of(const Json& node) {
  Texts out;
  for (const Json& taint : member_at(node, "/spec/taints")) {
    out.push_back(NodeTaint{string_at(taint, "/key"), string_at(taint, "/value"), string_at(taint, "/effect")}.to_string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string identity_of(const std::string& text) {
  const std::size_t effect = std::min(text.find(':'), text.size());
  return text.substr(0, std::min(text.find('='), effect)) + text.substr(effect);
}

Texts those_known(const Texts& present, const Texts& known) {
  Texts out;
  std::copy_if(present.begin(), present.end(), std::back_inserter(out),
               [&](const std::string& text) { return has_identity(known, identity_of(text)); });
  return out;
}

Texts joined(Texts first, const Texts& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

Texts concerned(const Change& change, const char* name) {
  return joined(change.resource.declared.list(name), change.before.attributes.list(name));
}

Texts edits(const Texts& present, const Texts& wanted) {
  Texts out;
  for (const std::string& text : wanted) {
    if (std::find(present.begin(), present.end(), text) == present.end()) out.push_back(text);
  }
  for (const std::string& text : present) {
    if (!has_identity(wanted, identity_of(text))) out.push_back(identity_of(text) + "-");
  }
  return out;
}

Json taints_for_kubeadm(const Texts& taints) {
  Json out = Json::array();
  for (const std::string& text : taints) {
    const std::string identity = identity_of(text);
    const std::size_t colon = identity.find(':');
    Json taint = {{"key", identity.substr(0, colon)}, {"effect", identity.substr(colon + 1)}};
    if (const std::size_t equals = text.find('='); equals != std::string::npos)
      taint["value"] = text.substr(equals + 1, text.rfind(':') - equals - 1);
    out.push_back(std::move(taint));
  }
  return out;
}

const NodeTaint* taint_against_operator(const WorkerSpec& worker, const GpuOperatorSpec& gpu_operator) {
  if (worker.gpu_count() == 0 || !gpu_operator.enabled) return nullptr;
  const Json values = parse_json(gpu_operator.values_json, "gpu_operator.values");
  if (!member_at(values, "/daemonsets/tolerations").is_null()) return nullptr;
  const auto found = std::find_if(worker.taints.begin(), worker.taints.end(), [](const NodeTaint& taint) {
    const bool tolerated = taint.key == "nvidia.com/gpu" && taint.effect == "NoSchedule";
    return taint.effect != "PreferNoSchedule" && !tolerated;
  });
  return found == worker.taints.end() ? nullptr : &*found;
}

}  // namespace gpuplan::worker_join
