#include "bench/build_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <fstream>
#include <stdexcept>

#include "bench/graph_shape.h"

namespace bench {
namespace {

constexpr std::time_t first_second = 1'700'000'000;
constexpr std::size_t nodes_per_second = 1000;

void write_node(const std::string& path, std::size_t node) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const std::time_t second = first_second + static_cast<std::time_t>(node / nodes_per_second);
  const timespec time{second, static_cast<long>(node % nodes_per_second) * 1'000'000};
  const std::array<timespec, 2> times{time, time};
  const bool made = descriptor >= 0 && futimens(descriptor, times.data()) == 0;
  if (descriptor >= 0) close(descriptor);
  if (!made) throw std::runtime_error("cannot write " + path);
}

}  // namespace

int write_build_files(std::size_t count, const std::string& directory) {
  const auto shape = graph_shape(count);
  std::ofstream ninja(directory + "/build.ninja");
  std::ofstream make(directory + "/Makefile");
  // Outputs of a generator need no entry in ninja's log, which only a build of all of them could write.
  ninja << "rule touch\n  command = touch $out\n  generator = 1\n";
  std::string all = "all:";
  std::string rules;
  for (std::size_t node = 0; node < count; ++node) {
    const std::string name = node_name(node);
    std::string needs;
    for (const std::size_t need : shape[node]) needs += ' ' + node_name(need);
    ninja << "build " << name << ": touch" << needs << '\n';
    rules += name + ':' + needs + "\n\ttouch $@\n";
    all += ' ' + name;
    write_node(directory + '/' + name, node);
  }
  make << ".PHONY: all\n" << all << '\n' << rules;
  if (!ninja.flush() || !make.flush()) throw std::runtime_error("cannot write " + directory);
  return 0;
}

}  // namespace bench
