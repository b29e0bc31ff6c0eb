#include "host/sim/guest.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "digest/digest.h"
#include "host/sim/guest_call.h"
#include "host/sim/guest_programs.h"

namespace gpuplan::sim {

Json to_json(const GuestDisk& disk) {
  Json files = Json::object();
  for (const auto& [path, file] : disk.files) {
    files[path] = {{"content", file.content}, {"mode", fmt::format("{:04o}", file.mode)}};
  }
  return {{"files", std::move(files)}, {"state", disk.state}};
}

GuestDisk guest_disk_from_json(const Json& json) {
  GuestDisk disk;
  const Json& files = member_at(json, "/files");
  if (files.is_object()) {
    for (const auto& [path, file] : files.items()) {
      const std::string mode = string_at(file, "/mode", "0644");
      disk.files[path] = {string_at(file, "/content"), static_cast<unsigned>(std::strtoul(mode.c_str(), nullptr, 8))};
    }
  }
  const Json& state = member_at(json, "/state");
  if (state.is_object()) disk.state = state;
  return disk;
}

std::vector<GuestGpu> GuestWorld::gpus(const std::string& node) {
  std::vector<GuestGpu> out;
  for (std::size_t i = 0; i < gpus_of(node); ++i) out.push_back({"NVIDIA", gpu_uuid(fmt::format("{} {}", node, i))});
  return out;
}

std::string gpu_uuid(const std::string& of) {
  const std::string hex = sha256_hex(of);
  return fmt::format("GPU-{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4), hex.substr(16, 4), hex.substr(20, 12));
}

void GuestCall::changes() const {
  if (!read_only) return;
  const std::string words = join_argv(argv());
  throw HostError(
      HostError::Kind::refused, words,
      fmt::format("the simulated guest {} refuses `{}` as a query: it would change something", world.node(), words));
}

CommandResult succeeds(std::string output) { return {0, std::move(output), {}}; }

CommandResult fails(int exit_status, std::string errors) {
  if (errors.empty() || errors.back() != '\n') errors += '\n';
  return {exit_status, {}, std::move(errors)};
}

std::optional<std::string> cluster_problem(const GuestCall& call, const std::string& kubeconfig) {
  if (kubeconfig.empty()) {
    return "The connection to the server localhost:8080 was refused - did you specify the right host or port?";
  }
  if (call.disk.files.count(kubeconfig) == 0) return fmt::format("stat {}: no such file or directory", kubeconfig);
  if (!call.disk.state.contains("cluster")) {
    return fmt::format("The connection to the server {}:6443 was refused - did you specify the right host or port?",
                       call.world.address());
  }
  return std::nullopt;
}

std::string api_time(std::int64_t seconds) {
  const std::time_t time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", parts);
}

namespace {

CommandResult run_test(const GuestCall& call) {
  const std::string what = call.word(1);
  const std::string path = call.word(2);
  if (call.argv().size() != 3 || (what != "-e" && what != "-f" && what != "-d")) {
    return fails(2, fmt::format("test: {}: unary operator expected", what));
  }
  if (what != "-d" && call.disk.files.count(path) > 0) return succeeds("");
  const auto below = call.disk.files.lower_bound(path + "/");
  const bool directory = below != call.disk.files.end() && below->first.rfind(path + "/", 0) == 0;
  return {what != "-f" && directory ? 0 : 1, {}, {}};
}

CommandResult run_cat(const GuestCall& call) {
  std::string output;
  for (std::size_t i = 1; i < call.argv().size(); ++i) {
    const auto file = call.disk.files.find(call.argv()[i]);
    if (file == call.disk.files.end())
      return fails(1, fmt::format("cat: {}: No such file or directory", call.argv()[i]));
    output += file->second.content;
  }
  return succeeds(output);
}

CommandResult run_cloud_init(const GuestCall& call) {
  if (call.word(1) != "status")
    return fails(2, fmt::format("cloud-init: error: argument subcommand: invalid choice: '{}'", call.word(1)));
  for (std::size_t i = 2; i < call.argv().size(); ++i) {
    if (call.argv()[i] != "--wait" && call.argv()[i] != "--long") {
      return fails(2, fmt::format("cloud-init: error: unrecognized arguments: {}", call.argv()[i]));
    }
  }
  return succeeds("status: done\n");
}

CommandResult run_nvidia_smi(const GuestCall& call) {
  if (call.argv().size() == 2 && call.argv()[1] != "-L") {
    return fails(2, fmt::format("Invalid combination of input arguments. Please run 'nvidia-smi -h' for help."));
  }
  const std::string node = call.world.node();
  const ProgramResult result = nvidia_smi(call.disk, call.world, node, call.world.gpus_of(node));
  return {result.exit_status, result.log, {}};
}

// Of NVIDIA's CUDA samples: the first thing that it does is to initialize CUDA.
CommandResult run_device_query(const GuestCall& call) {
  const std::string node = call.world.node();
  const std::size_t gpus = call.world.gpus_of(node);
  if (gpus == 0) return {1, "cudaGetDeviceCount returned 100\n-> no CUDA-capable device is detected\nResult = FAIL\n", {}};
  if (!call.world.has_cuda(node)) {
    return {1, "cudaGetDeviceCount returned 802\n-> system not yet initialized\nResult = FAIL\n", {}};
  }
  return succeeds(fmt::format("Detected {} CUDA Capable device(s)\nResult = PASS\n", gpus));
}

}  // namespace

CommandResult run_guest_program(GuestDisk& disk, GuestWorld& world, const Command& command, bool read_only) {
  GuestCall call{disk, world, command, read_only};
  const std::string program = call.word(0).substr(call.word(0).rfind('/') + 1);
  if (!has_program(disk, program)) return fails(127, fmt::format("bash: line 1: {}: command not found", call.word(0)));
  if (program == "kubelet" || (program == "kubectl" && call.word(1) == "version"))
    return run_kubernetes_version(call, program);
  if (program == "bash") return run_bash(call);
  if (program == "kubeadm") return run_kubeadm(call);
  if (program == "kubectl") return run_kubectl(call);
  if (program == "helm") return run_helm(call);
  if (program == "test") return run_test(call);
  if (program == "cat") return run_cat(call);
  if (program == "cloud-init") return run_cloud_init(call);
  if (program == "nvidia-smi") return run_nvidia_smi(call);
  if (program == "deviceQuery") return run_device_query(call);
  if (program == "true") return succeeds("");
  if (program == "hostname") return succeeds((call.word(1) == "-I" ? world.address() : world.node()) + "\n");
  return fails(127, fmt::format("bash: line 1: {}: command not found", call.word(0)));
}

}  // namespace gpuplan::sim
