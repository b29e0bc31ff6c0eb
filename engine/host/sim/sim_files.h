// The FileSystem port of a simulated host.
#pragma once

#include "host/sim/simulation.h"
#include "host/sim/view.h"

namespace gpuplan::sim {

class SimFiles : public FileSystem {
 public:
  explicit SimFiles(Simulation& simulation) : simulation_(simulation) {}

  std::string read(const std::string& path) override;
  std::vector<std::string> list(const std::string& path) override;
  std::string read_link(const std::string& path) override;
  FileKind kind(const std::string& path) override;
  void write(const std::string& path, const std::string& content, std::chrono::seconds limit) override;
  void put_file(const std::string& path, const std::string& content, unsigned mode) override;
  void remove_file(const std::string& path) override;
  void make_directory(const std::string& path, unsigned mode) override;
  void remove_directory(const std::string& path) override;

 private:
  [[noreturn]] void hang(const std::string& verb, const std::string& path, std::chrono::seconds limit);

  Simulation& simulation_;
};

}  // namespace gpuplan::sim
