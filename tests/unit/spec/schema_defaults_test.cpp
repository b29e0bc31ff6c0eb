// The defaults that the JSON Schema shows in editors are those of the reader.
#include <fstream>
#include <sstream>

#include "describe_spec.h"
#include "json/json.h"
#include "spec/read_spec.h"
#include "support/catch.h"

namespace gpuplan {
namespace {

Json schema() {
  std::ifstream in(std::string(GPUPLAN_SOURCE_DIR) + "/specs/gpuplan.schema.json");
  std::ostringstream text;
  text << in.rdbuf();
  return parse_json(text.str(), "specs/gpuplan.schema.json");
}

// A spec with each key of `node`, written out with its default; counts them.
Json defaults(const Json& node, std::size_t& count) {
  Json out = Json::object();
  for (const auto& [key, child] : node.at("properties").items()) {
    if (child.contains("properties")) {
      out[key] = defaults(child, count);
    } else if (child.contains("default")) {
      out[key] = child.at("default");
      ++count;
    }
  }
  return out;
}

std::string described(const std::string& text) {
  Diagnostics diagnostics;
  const auto spec = read_spec(std::make_shared<SourceFile>(SourceFile{"f.yaml", text}), diagnostics);
  INFO(render_all(diagnostics));
  REQUIRE(spec);
  return describe_spec(*spec);
}

// The same with a worker, whose VM has the defaults of vm_resources.worker.
std::string described_with_worker(Json spec) {
  spec["worker_gpu_assignment"] = {{"worker-1", Json::array()}};
  std::string text = described(spec.dump());
  return text.erase(text.find(" at 1:"), text.find('\n', text.find(" at 1:")) - text.find(" at 1:"));
}

}  // namespace

TEST_CASE("a spec that writes out the schema's defaults is one without any key") {
  std::size_t count = 0;
  const Json written = defaults(schema(), count);
  CHECK(count >= 40);
  CHECK(described_with_worker(written) == described_with_worker(Json::object()));
}

TEST_CASE("each default of the schema counts: another value makes another spec") {
  // One of each section that has a second valid value; what is compared above must show it.
  std::size_t ignored = 0;
  const std::string before = described_with_worker(defaults(schema(), ignored));
  const std::vector<std::pair<std::string, Json>> others = {
      {"/cluster", "other"},
      {"/vm_resources/control_plane/memory", 4096},
      {"/vm_resources/control_plane/cpus", 8},
      {"/vm_resources/worker/disk", 100},
      {"/vm_resources/worker/hugepages", "2M"},
      {"/vm_resources/worker/numa", "none"},
      {"/host/memory_reserve", 0},
      {"/host/persist_bindings", true},
      {"/host/configure_boot", true},
      {"/network/cidr", "192.168.131.0/24"},
      {"/storage/pool", "other"},
      {"/kubernetes/version", "1.33"},
      {"/kubernetes/cni", "flannel"},
      {"/gpu_operator/driver", "operator"},
      {"/timeouts/unbind", "61s"},
      {"/on_failure", "rollback"},
      {"/verify", false},
  };
  for (const auto& [path, value] : others) {
    INFO(path);
    Json changed = defaults(schema(), ignored);
    const Json::json_pointer pointer(path);
    REQUIRE(changed.contains(pointer));
    changed[pointer] = value;
    CHECK(described_with_worker(changed) != before);
  }
}

}  // namespace gpuplan
