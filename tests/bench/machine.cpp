#include "bench/machine.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>

namespace bench {
namespace {

// What follows the first ':' on the line that begins with `key`.
std::string field(const char* path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key, 0) == 0) return line.substr(line.find_first_not_of(" \t", line.find(':') + 1));
  }
  return "unknown";
}

// The mount point that is the longest prefix of `directory`: "ext4 on /dev/vda1".
std::string disk_of(const std::string& directory) {
  std::ifstream mounts("/proc/self/mounts");
  std::string out = "unknown";
  std::size_t longest = 0;
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string device, point, type;
    words >> device >> point >> type;
    const bool below = point == "/" || directory == point || directory.rfind(point + "/", 0) == 0;
    if (!below || point.size() < longest) continue;
    longest = point.size();
    out = type + " on " + device;
  }
  return out;
}

std::string load() {
  std::array<double, 3> loads{};
  if (getloadavg(loads.data(), 3) != 3) return "unknown";
  return fmt::format("{:.2f} {:.2f} {:.2f} over 1, 5 and 15 minutes", loads[0], loads[1], loads[2]);
}

}  // namespace

std::string describe_machine(const std::string& directory) {
  utsname kernel{};
  uname(&kernel);
  std::istringstream memory(field("/proc/meminfo", "MemTotal"));
  std::size_t kib = 0;
  memory >> kib;
  return fmt::format(
      "* date: {:%Y-%m-%d %H:%M} UTC\n* processor: {}, {} cores\n* memory: {:.1f} GiB\n* disk: {}\n* kernel: {} {}\n"
      "* compiler: g++ {}, {}\n* load at the start: {}\n",
      fmt::gmtime(std::time(nullptr)), field("/proc/cpuinfo", "model name"), sysconf(_SC_NPROCESSORS_ONLN),
      static_cast<double>(kib) / 1024 / 1024, disk_of(directory), kernel.sysname, kernel.release, __VERSION__,
      GPUPLAN_BUILD_TYPE, load());
}

}  // namespace bench
