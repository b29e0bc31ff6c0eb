// What the crash matrix interrupts: a run of gpuplan on the simulated 8-GPU server, from a state that is made once.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace crash_matrix {

using Words = std::vector<std::string>;

// gpuplan's words without what all runs have in common, see Workshop::gpuplan().
struct Scenario {
  std::string name;
  std::vector<Words> preparation;  // what has happened before; the last of it may have failed on purpose
  int preparation_code = 0;        // how the last of it ends
  Words command;                   // what is interrupted
  Words completion;                // what goes on with it once its commit phase has begun
  Words apply;                     // what is applied to recover
  // Rollback leads back to the server as the host's file describes it, instead of to what was prepared.
  bool rolls_back_to_start = false;
  // What it does first cannot be taken back, so that rollback always refuses: a worker's pods are evicted.
  bool commits_at_once = false;
};

// In the order in which they are tried. `directory` holds the specs, which write_specs() puts there.
std::vector<Scenario> scenarios(const std::string& directory);

// h100-8gpu.yaml; the same without its second worker; with a GPU of the first worker, and with that GPU moved to the
// second; and host.yaml, the server, whose clock moves only when somebody sleeps.
void write_specs(const std::string& directory);

// How many of everything that a fault can strike a run has.
struct Counts {
  int calls = 0, journal_writes = 0, plugin_calls = 0, disk_writes = 0;
};

std::string read_file(const std::string& path);

// Runs gpuplan for the matrix. Thread-safe.
class Workshop {
 public:
  explicit Workshop(std::string directory) : directory_(std::move(directory)) {}

  const std::string& directory() const { return directory_; }
  // Runs gpuplan with its state in `state`, one step at a time; its output goes to files beside `state`.
  int gpuplan(Words words, const std::string& state) const;
  // The same as a line for a shell.
  std::string command_line(const Words& words, const std::string& state) const;
  // What it said last.
  static std::string output(const std::string& state);
  // The server in `state`; the one of the host's file if no run has changed it.
  std::string server(const std::string& state) const;
  // What it has, a line each: files, drivers of devices, networks, domains, the number of volumes, active partitions.
  // How a cluster came to be decides about the rest: times, keys, the name of a disk beside one that is still there.
  std::string inventory(const std::string& state) const;

 private:
  Words complete(Words words) const;
  std::string model_file(const std::string& state) const;
  std::string directory_;
};

// A scenario with what every trial of it starts from and is compared with.
struct Prepared {
  Scenario scenario;
  std::string state;          // the state directory before the run that is interrupted
  std::string before;         // the server that rollback must restore
  std::string after;          // the server's inventory when nothing goes wrong
  std::string after_apply;    // its inventory after the run that recovers by apply, if nothing else has gone wrong
  Counts counts;
};

// Throws std::runtime_error with gpuplan's output if a run does not end as it should.
Prepared prepare(const Scenario& scenario, const Workshop& workshop);

}  // namespace crash_matrix
