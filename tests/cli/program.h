// Runs the real program and compares what it says with golden files.
#pragma once

#include <string>
#include <vector>

namespace cli {

struct Result {
  std::vector<std::string> words;  // the command line, without the program's name
  int exit_code = 0;
  std::string out;
  std::string err;
};

// A place of its own for one test: a state directory and copies of specs and hosts, removed at the end.
class Place {
 public:
  Place();
  ~Place();
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  // Runs `gpuplan WORDS…` in the source directory, without a terminal, with GPUPLAN_STATE_DIR set to
  // state_dir(). A process killed by signal N gives exit code 128+N.
  Result run(const std::vector<std::string>& words) const;
  // The same with --host and the simulated 8-GPU server whose clock does not wait, one thing at a time.
  Result run_sim(std::vector<std::string> words) const;

  std::string state_dir() const { return directory_ + "/state"; }
  std::string host() const { return directory_ + "/h100-sxm8.yaml"; }
  // The path of the one simulated host in the state directory, as runs have left it; empty without one.
  std::string current_model() const;
  // Writes a file into the place and returns its path.
  std::string write(const std::string& name, const std::string& content) const;

  // Text with everything that differs between runs and machines replaced by names: STATE, PLACE,
  // BUILD, DATE, TIME, SHA256, "pid N", MACHINE.
  std::string normalized(std::string text) const;
  // The command line, exit code and both outputs, normalized.
  std::string transcript(const Result& result) const;
  // Compares with tests/golden/cli/NAME.txt, or writes it if GPUPLAN_ACCEPT=1.
  void expect_golden(const std::string& name, const Result& result) const;

 private:
  std::string directory_;
};

std::string read_file(const std::string& path);
// Compares `text` with tests/golden/PATH.txt, or writes it if GPUPLAN_ACCEPT=1.
void expect_golden_text(const std::string& path, const std::string& text);
// The spec that today's users have, relative to the source directory.
inline constexpr const char* h100_spec = "specs/h100-8gpu.yaml";
inline constexpr const char* h100_host = "sim:specs/hosts/h100-sxm8.yaml";
inline constexpr const char* busy_host = "sim:specs/hosts/busy.yaml";

}  // namespace cli
