#include "scenario.h"

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>

#include "fault/waiting_program.h"
#include "support/model_essence.h"
#include "support/run_program.h"

namespace fs = std::filesystem;

namespace crash_matrix {
namespace {

void write_file(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

// Fails unless the text has what is replaced: a spec that changed would otherwise make a scenario of nothing.
std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const std::size_t at = text.find(what);
  if (at == std::string::npos) throw std::runtime_error("specs/h100-8gpu.yaml has no \"" + what + "\"");
  return text.replace(at, what.size(), by);
}

Counts counts_in(const std::string& output) {
  static const std::regex pattern(
      "this run had ([0-9]+) host calls, ([0-9]+) journal writes and ([0-9]+) calls of step kinds, and ([0-9]+) writes");
  std::smatch found;
  if (!std::regex_search(output, found, pattern)) throw std::runtime_error("gpuplan did not count its calls:\n" + output);
  return {std::stoi(found[1]), std::stoi(found[2]), std::stoi(found[3]), std::stoi(found[4])};
}

void require(int code, int expected, const std::string& what, const std::string& state) {
  if (code == expected) return;
  throw std::runtime_error(what + " ended with exit code " + std::to_string(code) + ":\n" + Workshop::output(state));
}

}  // namespace

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_specs(const std::string& directory) {
  const std::string source = GPUPLAN_SOURCE_DIR;
  // A kill while the finished cluster is tested has nothing to recover.
  const std::string spec = read_file(source + "/specs/h100-8gpu.yaml") + "\nverify: false\n";
  write_file(directory + "/spec.yaml", spec);
  write_file(directory + "/one-worker.yaml", replaced(spec, "  worker-2: [4, 5, 6, 7]\n", ""));
  // Fabric Manager has the first two GPUs as a partition of two, and each GPU as one of its own: the second moves.
  write_file(directory + "/two-and-one.yaml", replaced(replaced(spec, "[0, 1, 2, 3]", "[0, 1]"), "[4, 5, 6, 7]", "[2]"));
  write_file(directory + "/moved-gpu.yaml", replaced(replaced(spec, "[0, 1, 2, 3]", "[0]"), "[4, 5, 6, 7]", "[1]"));
  const std::string host = read_file(source + "/specs/hosts/h100-sxm8.yaml");
  write_file(directory + "/host.yaml",
             std::regex_replace(host, std::regex("(^|\n)clock_speed:[^\n]*"), "$1") + "\nclock_speed: 0\n");
}

std::vector<Scenario> scenarios(const std::string& directory) {
  const Words apply = {"apply", directory + "/spec.yaml", "--yes"};
  const Words without = {"apply", directory + "/one-worker.yaml", "--yes"};
  const Words pair = {"apply", directory + "/two-and-one.yaml", "--yes"};
  const Words moved = {"apply", directory + "/moved-gpu.yaml", "--yes"};
  const Words destroy = {"destroy", directory + "/spec.yaml", "--yes"};
  const Words rollback = {"rollback", "--yes"};
  Words failing = apply;
  failing.insert(failing.end(), {"--fault", "gpu-operator/gpu-operator:fail"});
  constexpr int step_failed = 3;
  return {
      {"apply", {}, 0, apply, apply, apply, true},
      {"rollback", {failing}, step_failed, rollback, rollback, apply, true},
      {"destroy", {apply}, 0, destroy, destroy, apply, false},
      {"remove-worker", {apply}, 0, without, without, without, false, true},
      {"move-gpu", {pair}, 0, moved, moved, moved, false},
  };
}

int Workshop::gpuplan(Words words, const std::string& state) const {
#ifdef __SANITIZE_ADDRESS__  // its runtime insists on being loaded before everything else
  return run_program(complete(std::move(words)), state, state + ".out", state + ".err");
#else
  static thread_local WaitingProgram program;
  return program.run(complete(std::move(words)), state, state + ".out", state + ".err");
#endif
}

Words Workshop::complete(Words words) const {
  words.insert(words.end(), {"--host", "sim:" + directory_ + "/host.yaml", "--parallelism", "1"});
  return words;
}

std::string Workshop::command_line(const Words& words, const std::string& state) const {
  std::string line = "GPUPLAN_STATE_DIR=" + state + " " + GPUPLAN_PROGRAM;
  for (const std::string& word : complete(words)) line += " " + word;
  return line;
}

std::string Workshop::output(const std::string& state) { return read_file(state + ".out") + read_file(state + ".err"); }

std::string Workshop::model_file(const std::string& state) const {
  if (fs::exists(state + "/sim")) {
    for (const auto& entry : fs::directory_iterator(state + "/sim")) {
      if (entry.path().extension() == ".yaml") return entry.path();
    }
  }
  return directory_ + "/host.yaml";
}

std::string Workshop::server(const std::string& state) const { return model_essence(model_file(state)); }

std::string Workshop::inventory(const std::string& state) const {
  const gpuplan::sim::Model model = model_in(model_file(state));
  std::set<std::string> lines;
  // With those above it, which are not listed where nobody made them by name.
  for (std::string path : model.directories) {
    for (; path.size() > 1; path.resize(path.rfind('/'))) lines.insert(path);
  }
  for (const auto& [path, file] : model.files) lines.insert("file " + path);
  for (const auto& device : model.devices) lines.insert(device.address.to_string() + " has " + device.driver);
  for (const auto& network : model.networks) lines.insert("network " + network.name);
  for (const auto& domain : model.domains) lines.insert("domain " + domain.name);
  for (const auto& pool : model.pools) {
    lines.insert("pool " + pool.name + " has volumes: " + std::to_string(pool.volumes.size()));
  }
  for (const auto& partition : model.fabric_manager.partitions) {
    if (partition.active) lines.insert("partition " + std::to_string(partition.id));
  }
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

Prepared prepare(const Scenario& scenario, const Workshop& workshop) {
  Prepared out{scenario, workshop.directory() + "/" + scenario.name, {}, {}, {}, {}};
  for (std::size_t i = 0; i < scenario.preparation.size(); ++i) {
    const bool last = i + 1 == scenario.preparation.size();
    require(workshop.gpuplan(scenario.preparation[i], out.state), last ? scenario.preparation_code : 0,
            "the preparation of " + scenario.name, out.state);
  }
  out.before = workshop.server(scenario.rolls_back_to_start ? workshop.directory() + "/nowhere" : out.state);

  const std::string whole = out.state + ".whole";
  if (fs::exists(out.state)) fs::copy(out.state, whole, fs::copy_options::recursive);
  Words counted = scenario.command;
  counted.insert(counted.end(), {"--fault", "disk:1000000000:io-error"});
  require(workshop.gpuplan(counted, whole), 0, scenario.name, whole);
  out.counts = counts_in(Workshop::output(whole));
  out.after = workshop.inventory(whole);
  if (scenario.apply != scenario.command) require(workshop.gpuplan(scenario.apply, whole), 0, "the apply after it", whole);
  out.after_apply = workshop.inventory(whole);
  return out;
}

}  // namespace crash_matrix
