#include "bench/bench_kind.h"

#include <fmt/format.h>

#include "bench/graph_shape.h"

namespace bench {

BenchKind::BenchKind(std::size_t count, Present present) : present_(count) {
  for (std::atomic<bool>& node : present_) node = present == Present::all;
}

const Schema& BenchKind::schema() const {
  static const Schema schema{{"size", ValueType::integer},
                             {"owner", ValueType::text},
                             {"driver", ValueType::text},
                             {"autostart", ValueType::boolean},
                             {"devices", ValueType::list}};
  return schema;
}

std::vector<Resource> BenchKind::expand(const Spec& /*spec*/) const {
  const auto shape = graph_shape(present_.size());
  std::vector<Resource> out;
  out.reserve(shape.size());
  for (std::size_t node = 0; node < shape.size(); ++node) {
    Resource resource;
    resource.address = Address(kind(), node_name(node));
    resource.declared = {{"size", static_cast<std::int64_t>(node)},
                         {"owner", "root"},
                         {"driver", "vfio-pci"},
                         {"autostart", true},
                         {"devices", std::vector<std::string>{"0000:0a:00.0", "0000:18:00.0"}}};
    for (const std::size_t need : shape[node]) resource.depends_on.emplace_back(kind(), node_name(need));
    out.push_back(std::move(resource));
  }
  return out;
}

std::vector<CheckResult> BenchKind::check(const Resource& resource, const Spec& /*spec*/, const Prior& /*prior*/,
                                          HostReader& /*host*/) const {
  CheckResult passed;
  passed.name = "bench-device";
  passed.address = resource.address;
  passed.found = "it is there";
  return {passed};
}

Observation BenchKind::observe(const Resource& resource, const Prior& /*prior*/, HostReader& /*host*/) const {
  Observation out;
  out.exists = present_[node_of(resource.address.name())];
  if (!out.exists) return out;
  out.attributes = resource.declared;
  for (const auto& [name, value] : resource.declared) {
    out.read_from.emplace(name, fmt::format("/sys/bench/{}", resource.address.name()));
  }
  return out;
}

Json BenchKind::capture(const Change& /*change*/, HostReader& /*host*/) const {
  return Json::object({{"present", false}});
}

void BenchKind::apply(const Change& change, const Json& /*captured*/, Host& /*host*/, StepContext& /*context*/) const {
  present_[node_of(change.address.name())] = true;
}

void BenchKind::undo(Stage /*stage*/, const Change& change, const Json& /*captured*/, Host& /*host*/,
                     StepContext& /*context*/) const {
  present_[node_of(change.address.name())] = false;
}

}  // namespace bench
