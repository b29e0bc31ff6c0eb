#include "host/sim/sim_host.h"

#include "digest/digest.h"
#include "host/sim/errors.h"
#include "host/sim/host_commands.h"
#include "host/sim/hypervisor.h"
#include "host/sim/node_access.h"
#include "host/sim/sim_files.h"
#include "host/sim/simulation.h"

namespace gpuplan {
namespace {

class SimHost : public Host {
 public:
  SimHost(std::string file, std::unique_ptr<sim::Store> store, sim::Model model)
      : file_(std::move(file)),
        identity_("sim-" + sha256_hex(store->canonical_path() + "\n" + model.machine_id).substr(0, 32)),
        simulation_(std::move(store), std::move(model)),
        files_(simulation_),
        hypervisor_(simulation_),
        guests_(simulation_) {}

  std::string identity() override { return identity_; }
  std::string description() override { return "sim:" + file_; }
  std::map<std::string, std::string> limitations() override { return {}; }
  FileSystem& files() override { return files_; }
  Hypervisor& hypervisor() override { return hypervisor_; }
  Guests& guests() override { return guests_; }
  Clock& clock() override { return simulation_.clock(); }

  CommandResult query(const Command& command) override {
    return simulation_.look([&](sim::Model& model, std::int64_t) {
      bool hangs = false;
      return sim::run_host_command(model, command, true, hangs);
    });
  }

  CommandResult run(const Command& command) override {
    bool hangs = false;
    CommandResult result = simulation_.change(
        [&](sim::Model& model, std::int64_t) { return sim::run_host_command(model, command, false, hangs); });
    if (hangs) {
      simulation_.clock().sleep_for(command.limit);
      throw sim::hang_error("run", join_argv(command.argv), command.limit);
    }
    return result;
  }

 private:
  std::string file_;
  std::string identity_;
  sim::Simulation simulation_;
  sim::SimFiles files_;
  sim::SimHypervisor hypervisor_;
  sim::SimGuests guests_;
};

}  // namespace

std::unique_ptr<Host> open_sim_host(const std::string& file, const std::string& state_dir, Diagnostics& diagnostics) {
  auto store = std::make_unique<sim::Store>(file, state_dir);
  auto model = store->load(diagnostics);
  if (!model) return nullptr;
  return std::make_unique<SimHost>(file, std::move(store), std::move(*model));
}

}  // namespace gpuplan
