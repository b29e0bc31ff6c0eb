// A simulated host on a copy of a shipped file, with a state directory of its own.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "host/sim/sim_host.h"
#include "support/catch.h"

namespace gpuplan::testing {

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

inline void spill(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

inline std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const std::size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), with);
}

class Bench {
 public:
  // `shipped` is a file of specs/hosts. Its clock stands still unless somebody sleeps.
  explicit Bench(const std::string& shipped = "h100-sxm8.yaml") {
    std::string pattern = (std::filesystem::temp_directory_path() / "gpuplan-sim-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    directory = pattern;
    file = directory + "/" + shipped;
    edit(slurp(std::string(GPUPLAN_SOURCE_DIR) + "/specs/hosts/" + shipped));
    change("clock_speed: 60", "clock_speed: 0 ");
  }
  ~Bench() { std::filesystem::remove_all(directory); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void edit(const std::string& text) { spill(file, text); }
  void change(const std::string& what, const std::string& with) { edit(replaced(slurp(file), what, with)); }
  std::unique_ptr<Host> open() {
    Diagnostics problems;
    auto host = open_sim_host(file, state(), problems);
    for (const Diagnostic& problem : problems.items()) UNSCOPED_INFO(render(problem, false));
    REQUIRE(host != nullptr);
    return host;
  }
  std::string state() const { return directory + "/state"; }
  // The path of the current model; empty if there is none.
  std::string model() const {
    if (!std::filesystem::exists(state() + "/sim")) return {};
    for (const auto& entry : std::filesystem::directory_iterator(state() + "/sim")) {
      if (entry.path().extension() == ".yaml") return entry.path().string();
    }
    return {};
  }

  std::string directory;
  std::string file;
};

// What `action` throws; fails the test if it throws nothing.
template <class Action>
HostError error_of(Action action) {
  try {
    action();
  } catch (const HostError& error) {
    return error;
  }
  FAIL("no HostError was thrown");
  throw std::logic_error("unreachable");
}

inline const std::string gpu = "0000:0a:00.0";
inline const std::string pci = "/sys/bus/pci/";
inline std::string device_file(const std::string& bdf, const std::string& name) {
  return pci + "devices/" + bdf + "/" + name;
}

inline std::string driver_of(Host& host, const std::string& bdf) {
  if (host.files().kind(device_file(bdf, "driver")) == FileKind::none) return "";
  const std::string target = host.files().read_link(device_file(bdf, "driver"));
  return target.substr(target.rfind('/') + 1);
}

inline constexpr std::chrono::seconds limit{60};

// As a binder does it: override, unbind, probe.
inline void bind_to_vfio(Host& host, const std::string& bdf) {
  REQUIRE(host.run({{"modprobe", "vfio-pci"}, "", limit}).ok());
  host.files().write(device_file(bdf, "driver_override"), "vfio-pci\n", limit);
  const std::string driver = driver_of(host, bdf);
  if (!driver.empty()) host.files().write(pci + "drivers/" + driver + "/unbind", bdf, limit);
  host.files().write(pci + "drivers_probe", bdf, limit);
}

}  // namespace gpuplan::testing
