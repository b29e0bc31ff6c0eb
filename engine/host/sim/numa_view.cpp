// /sys/devices/system/node.
#include <fmt/format.h>

#include <algorithm>

#include "host/sim/view.h"

namespace gpuplan::sim {
namespace {

Entries hugepage_entries(const Model& model, std::size_t number) {
  const NumaNode& node = model.numa[number];
  Entries out;
  for (const bool gigantic : {false, true}) {
    const std::int64_t reserved = gigantic ? node.hugepages_1g : node.hugepages_2m;
    const std::int64_t free = free_hugepages(model, number, gigantic);
    const Attribute attribute = gigantic ? Attribute::hugepages_1g : Attribute::hugepages_2m;
    out.emplace_back(gigantic ? "hugepages-1048576kB" : "hugepages-2048kB", Node::directory([=] {
                       Entries sizes;
                       sizes.emplace_back("nr_hugepages", Node::file(fmt::format("{}\n", reserved))
                                                              .writable(attribute, std::to_string(number)));
                       sizes.emplace_back("free_hugepages", Node::file(fmt::format("{}\n", free)));
                       sizes.emplace_back("surplus_hugepages", Node::file("0\n"));
                       return sizes;
                     }));
  }
  return out;
}

}  // namespace

Entries numa_entries(const Model& model) {
  Entries out;
  for (std::size_t number = 0; number < model.numa.size(); ++number) {
    out.emplace_back(fmt::format("node{}", number), Node::directory([&model, number] {
                       const NumaNode& node = model.numa[number];
                       const auto nodes = static_cast<std::int64_t>(model.numa.size());
                       const std::int64_t free = std::min(node.memory_mib, free_memory_mib(model) / nodes);
                       Entries inner;
                       inner.emplace_back("cpulist", Node::file(node.cpus + "\n"));
                       inner.emplace_back("meminfo", Node::file(fmt::format("Node {0} MemTotal:       {1} kB\n"
                                                                            "Node {0} MemFree:        {2} kB\n",
                                                                            number, node.memory_mib * 1024, free * 1024)));
                       inner.emplace_back("hugepages",
                                          Node::directory([&model, number] { return hugepage_entries(model, number); }));
                       return inner;
                     }));
  }
  if (!model.numa.empty()) {
    const std::size_t last = model.numa.size() - 1;
    out.emplace_back("online", Node::file(last == 0 ? "0\n" : fmt::format("0-{}\n", last)));
  }
  return out;
}

}  // namespace gpuplan::sim
