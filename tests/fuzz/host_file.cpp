// Recorded hosts: reading the model, writing it, and looking at the machine that it shows.
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "host/sim/model_yaml.h"
#include "host/sim/sim_host.h"
#include "inventory/print_inventory.h"
#include "yaml/parse.h"

using namespace gpuplan;

namespace {

std::optional<sim::Model> decode(const std::string& text) {
  Diagnostics problems;
  const YamlNode document = parse_yaml(std::make_shared<const SourceFile>(SourceFile{"host.yaml", text}), problems);
  if (problems.has_errors()) return std::nullopt;
  auto model = sim::decode_model(document, problems);
  for (const Diagnostic& problem : problems.items()) render(problem, false);
  fuzz::require(model.has_value() != problems.has_errors(), "a model, or errors, and never both");
  return model;
}

// The text as a file that needs no disk.
std::string in_memory(const std::string& text) {
  static const int file = memfd_create("host.yaml", 0);
  const bool written = ftruncate(file, 0) == 0 && pwrite(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  fuzz::require(written, "memory for the file");
  return "/proc/self/fd/" + std::to_string(file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static PciNames names("/nonexistent");
  const std::string text = fuzz::text(data, size);
  const auto model = decode(text);
  if (!model) return 0;
  const std::string encoded = sim::encode_model(*model);
  const auto same = decode(encoded);
  fuzz::require(same && sim::encode_model(*same) == encoded, "a model that was written reads back");
  // Each look at a file of a large server costs milliseconds with sanitizers.
  if (model->devices.size() > 3 || model->processes.size() > 4) return 0;
  Diagnostics problems;
  const auto host = open_sim_host(in_memory(text), "/nonexistent", problems);
  fuzz::require(host != nullptr, "a model that can be read can be opened");
  try {
    const Inventory inventory = read_inventory(*host, names);
    print_inventory(inventory, true);
    print_inventory_tree(inventory, true);
    inventory_to_json(inventory).dump(-1, ' ', false, Json::error_handler_t::replace);
  } catch (const HostError&) {
  }
  return 0;
}
