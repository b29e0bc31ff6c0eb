// Which worker gets which GPUs, and how large the VMs become.
#include "propose/proposal.h"

#include "propose/partition_search.h"
#include "spec/read_spec.h"
#include "support/catch.h"
#include "support/memory_host.h"

using namespace gpuplan;
using gpuplan::test::MemoryHost;

namespace {

constexpr std::int64_t gib = 1024;

// A server with GPUs on two nodes; nothing is read from a host.
Inventory server(std::size_t gpus, std::size_t nodes = 2) {
  Inventory inventory;
  inventory.description = "a server";
  inventory.memory_mib = 512 * gib;
  inventory.processors = 64;
  inventory.iommu_groups = gpus;
  for (std::size_t node = 0; node < nodes; ++node) {
    inventory.nodes.push_back({static_cast<int>(node), node == 0 ? "0-31" : "32-63",
                               inventory.memory_mib / static_cast<std::int64_t>(nodes), 0, 0, 0, 0});
  }
  for (std::size_t i = 0; i < gpus; ++i) {
    InventoryFunction gpu;
    gpu.function.address = {0, static_cast<std::uint8_t>(0x10 + i), 0, 0};
    gpu.function.id = {0x10de, 0x2330};
    gpu.function.class_code = 0x030200;
    gpu.function.numa_node = static_cast<int>(i * nodes / gpus);
    gpu.function.iommu_group = static_cast<int>(30 + i);
    inventory.functions.push_back(gpu);
  }
  return inventory;
}

void add_switches(Inventory& inventory, bool shared) {
  InventoryFunction item;
  item.function.address = {0, 0x08, 0, 0};
  item.function.id = {0x10de, 0x22a3};
  item.function.class_code = 0x068000;
  inventory.functions.insert(inventory.functions.begin(), item);
  inventory.fabric_is_shared = shared;
}

SpecProposal assigned(const Inventory& inventory, std::optional<std::size_t> count, bool expected = true) {
  SpecProposal proposal;
  proposal.gpus = gpu_candidates(inventory, proposal.left_out);
  REQUIRE(assign_workers(inventory, count, proposal) == expected);
  return proposal;
}

std::vector<std::vector<std::size_t>> lists(const SpecProposal& proposal) {
  std::vector<std::vector<std::size_t>> out;
  for (const ProposedWorker& worker : proposal.workers) out.push_back(worker.gpus);
  return out;
}

using Lists = std::vector<std::vector<std::size_t>>;

}  // namespace

TEST_CASE("propose: a worker for each NUMA node with GPUs") {
  CHECK(lists(assigned(server(8), std::nullopt)) == Lists{{0, 1, 2, 3}, {4, 5, 6, 7}});
  CHECK(lists(assigned(server(2), std::nullopt)) == Lists{{0}, {1}});
}

TEST_CASE("propose: two workers on one node, one for one GPU, one without a GPU for none") {
  CHECK(lists(assigned(server(4, 1), std::nullopt)) == Lists{{0, 1}, {2, 3}});
  CHECK(lists(assigned(server(1, 1), std::nullopt)) == Lists{{0}});
  CHECK(lists(assigned(server(0), std::nullopt)) == Lists{{}});
}

TEST_CASE("propose: as many workers as are asked for, and no more than there are GPUs") {
  CHECK(lists(assigned(server(8), 4)) == Lists{{0, 1}, {2, 3}, {4, 5}, {6, 7}});
  CHECK(lists(assigned(server(3), 2)) == Lists{{0, 1}, {2}});
  CHECK(lists(assigned(server(8), 1)) == Lists{{0, 1, 2, 3, 4, 5, 6, 7}});
  const SpecProposal refused = assigned(server(3), 4, false);
  CHECK_THAT(refused.notes.back(), contains("at most 3 can be had"));
}

TEST_CASE("propose: GPUs of one IOMMU group go to one worker") {
  Inventory inventory = server(4);
  inventory.functions[2].function.iommu_group = inventory.functions[0].function.iommu_group;
  for (const std::vector<std::size_t>& gpus : lists(assigned(inventory, 2))) {
    const bool has_first = std::count(gpus.begin(), gpus.end(), 0) > 0;
    CHECK(has_first == (std::count(gpus.begin(), gpus.end(), 2) > 0));
  }
}

TEST_CASE("propose: what boots the host, is not NVIDIA's or shares a slot is no candidate") {
  Inventory inventory = server(4);
  inventory.functions[0].function.boot_display = true;
  inventory.functions[1].function.id.vendor = 0x1a03;
  inventory.functions[3].function.address = inventory.functions[2].function.address;
  inventory.functions[3].function.address.function = 1;
  const SpecProposal proposal = assigned(inventory, std::nullopt);
  REQUIRE(proposal.gpus.size() == 1);
  REQUIRE(proposal.left_out.size() == 3);
  CHECK(proposal.left_out[0].reason == "this host boots on it");
  CHECK(proposal.left_out[1].reason == "it is not NVIDIA's");
  CHECK(proposal.left_out[2].reason == "it travels with the GPU in the same slot");
}

TEST_CASE("propose: workers get whole NVSwitch partitions") {
  Inventory inventory = server(8);
  // Modules count otherwise than addresses.
  const std::int64_t modules[] = {5, 7, 6, 8, 1, 3, 2, 4};
  for (std::size_t i = 0; i < 8; ++i) inventory.functions[i].module = modules[i];
  add_switches(inventory, true);
  inventory.partitions = {{0, {1, 2, 3, 4, 5, 6, 7, 8}, false}, {1, {1, 2, 3, 4}, false}, {2, {5, 6, 7, 8}, false},
                          {3, {1, 3}, false}, {4, {2, 4}, false}, {5, {5, 7}, false}, {6, {6, 8}, false}, {7, {1}, false}};
  const SpecProposal two = assigned(inventory, std::nullopt);
  CHECK(lists(two) == Lists{{0, 1, 2, 3}, {4, 5, 6, 7}});
  CHECK(two.workers[0].partition == 2);
  CHECK(two.workers[1].partition == 1);
  CHECK(lists(assigned(inventory, 3)).size() == 3);
  CHECK(lists(assigned(inventory, 4)) == Lists{{0, 1}, {2, 3}, {4, 5}, {6, 7}});
  const SpecProposal none = assigned(inventory, 8, false);
  CHECK_THAT(none.notes.back(), contains("do not hold 8 NVSwitch partitions"));

  // Without module 8 the partitions that have it are gone.
  inventory.functions.erase(inventory.functions.begin() + 4);
  const SpecProposal rest = assigned(inventory, 2);
  CHECK(lists(rest) == Lists{{0, 1}, {2, 3, 4, 5}});
  REQUIRE(rest.left_out.size() == 1);
  CHECK_THAT(rest.left_out[0].reason, contains("no NVSwitch partition"));
}

TEST_CASE("propose: with NVSwitches that are not shared each worker has one GPU") {
  Inventory inventory = server(4);
  add_switches(inventory, false);
  const SpecProposal proposal = assigned(inventory, std::nullopt);
  CHECK(lists(proposal) == Lists{{0}, {1}, {2}, {3}});
  CHECK_THAT(proposal.notes.back(), contains("CUDA error 802"));
  const SpecProposal two = assigned(inventory, 2);
  CHECK(lists(two) == Lists{{0}, {1}});
  CHECK(two.left_out.size() == 2);
}

TEST_CASE("propose: the search finds the partitions with the most GPUs") {
  const std::vector<PartitionChoice> choices = {{0, {0, 1}, true}, {1, {0, 1, 2}, false}, {2, {3}, false}, {3, {2, 3}, false}};
  CHECK(choose_partitions(choices, 2) == std::vector<std::size_t>{0, 3});  // 2 + 2 rather than 3 + 1
  CHECK(choose_partitions(choices, 1) == std::vector<std::size_t>{1});
  CHECK(choose_partitions(choices, 3).empty());
  CHECK(choose_partitions(choices, 0).empty());
}

TEST_CASE("propose: VMs, what they need besides and the host's part fit into the memory") {
  for (const std::int64_t memory : {16, 64, 256, 512, 2048}) {
    for (const std::size_t workers : {1, 2, 4}) {
      Inventory inventory = server(4);
      inventory.memory_mib = memory * gib;
      for (NumaNode& node : inventory.nodes) node.memory_mib = memory * gib / 2;
      SpecProposal proposal = assigned(inventory, workers);
      size_vms(inventory, proposal);
      std::int64_t sum = proposal.reserve_mib + proposal.control_plane_mib, cpus = proposal.control_plane_cpus;
      for (const ProposedWorker& worker : proposal.workers) {
        sum += worker.memory_mib + 256 + 8 * worker.cpus + worker.memory_mib / 512;
        cpus += worker.cpus;
        CHECK(worker.memory_mib >= 2 * gib);
        CHECK(worker.cpus >= 1);
      }
      INFO(memory << " GiB, " << workers << " workers: " << sum << " MiB, " << cpus << " processors");
      if (memory > 16) CHECK(sum <= inventory.memory_mib);
      CHECK(cpus <= 64);
    }
  }
}

TEST_CASE("propose: a worker within a node does not get more than the node has") {
  Inventory inventory = server(4);
  inventory.nodes[1].memory_mib = 128 * gib;
  inventory.memory_mib = 384 * gib;
  SpecProposal proposal = assigned(inventory, 2);
  size_vms(inventory, proposal);
  CHECK(proposal.workers[0].memory_mib > proposal.workers[1].memory_mib);
  CHECK(proposal.workers[1].memory_mib < 128 * gib);
  CHECK(proposal.workers[1].cpus < 32);
}

// So it was on a cloud VM with two H200s, whose memory is plugged in after its start: 4.6 of 252 GiB were on its node.
TEST_CASE("propose: memory that the kernel counts on no node is there all the same") {
  Inventory inventory = server(2, 1);
  inventory.nodes[0].memory_mib = 5 * gib;
  for (InventoryFunction& gpu : inventory.functions) gpu.function.numa_node = -1;
  SpecProposal proposal = assigned(inventory, 2);
  size_vms(inventory, proposal);
  for (const ProposedWorker& worker : proposal.workers) CHECK(worker.memory_mib == 232 * gib);
}

TEST_CASE("propose: memory that lies in huge pages is used as that") {
  Inventory inventory = server(4);
  for (NumaNode& node : inventory.nodes) node.hugepages_1g = node.free_hugepages_1g = 200;
  SpecProposal proposal = assigned(inventory, 2);
  size_vms(inventory, proposal);
  CHECK(proposal.hugepages == "1G");
  for (const ProposedWorker& worker : proposal.workers) CHECK(worker.memory_mib == 200 * gib);
}

TEST_CASE("propose: services that only watch the GPUs may be stopped, others may not") {
  Inventory inventory = server(2);
  inventory.functions[0].holders = {{1, "nvidia-persiste", "nvidia-persistenced.service", "/dev/nvidia0"},
                                    {2, "python3", "training.service", "/dev/nvidia0"}};
  inventory.functions[1].holders = {{3, "nv-hostengine", "nvidia-dcgm.service", "/dev/nvidia1"}};
  std::vector<LeftOutGpu> ignored;
  const auto gpus = gpu_candidates(inventory, ignored);
  CHECK(services_to_stop(inventory, gpus) == std::vector<std::string>{"nvidia-dcgm.service", "nvidia-persistenced.service"});
  CHECK(services_to_stop(inventory, {gpus[1]}) == std::vector<std::string>{"nvidia-dcgm.service"});
}

TEST_CASE("propose: the network is one that the host does not use") {
  MemoryHost host;
  CHECK(free_network(host) == "192.168.130.0/24");
  host.contents["/proc/net/route"] = "Iface\tDestination\n"
                                     "eno1\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\n"
                                     "eno1\t0082A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\n";
  CHECK(free_network(host) == "192.168.131.0/24");
  host.network_states.push_back({"lab", "", true, true,
                                 "<network><name>lab</name><ip address='192.168.131.1' netmask='255.255.255.0'/></network>"});
  CHECK(free_network(host) == "192.168.132.0/24");
}

TEST_CASE("propose: the document is a valid spec, whatever devices are called") {
  Inventory inventory = server(4);
  inventory.description = "sim:a\n\x1b[31mb: {";
  inventory.functions[0].device_name = "GH100 \x1b[2J # \"x\": [";
  SpecProposal proposal = assigned(inventory, 2);
  proposal.left_out.push_back({inventory.functions[1].function.address, "held by \n gpus: [] \x1b[1m"});
  proposal.notes.push_back("a note\nwith: {lines");
  proposal.stop_services = {"nvidia-persistenced.service"};
  proposal.cidr = "192.168.131.0/24";
  size_vms(inventory, proposal);
  const std::string text = print_spec(inventory, proposal);
  CHECK(text.find('\x1b') == std::string::npos);
  Diagnostics diagnostics;
  const auto spec = read_spec(std::make_shared<SourceFile>(SourceFile{"proposed", text}), diagnostics);
  INFO(text);
  REQUIRE(spec);
  CHECK(diagnostics.items().empty());
  CHECK(spec->gpus.size() == 4);
  CHECK(spec->workers.size() == 2);
  CHECK(spec->network.cidr == "192.168.131.0/24");
  CHECK(spec->host.stop_services == std::vector<std::string>{"nvidia-persistenced.service"});
}
