// A spec that suits a server: which worker gets which GPUs, and how large the VMs are. The result of `gpuplan init`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "inventory/inventory.h"

namespace gpuplan {

struct LeftOutGpu {
  Bdf address;
  std::string reason;  // a sentence without a full stop
};

struct ProposedWorker {
  std::vector<std::size_t> gpus;  // indexes into SpecProposal::gpus, ascending
  std::optional<std::int64_t> partition;  // the NVSwitch partition that these are
  std::int64_t memory_mib = 0;
  std::int64_t cpus = 0;
};

struct SpecProposal {
  std::vector<const InventoryFunction*> gpus;  // by NUMA node and address; point into the inventory
  std::vector<LeftOutGpu> left_out;
  std::vector<ProposedWorker> workers;         // at least one; the only one has no GPU if there is none
  std::string hugepages = "none";              // none | 2M | 1G: of the workers
  std::int64_t control_plane_mib = 0;
  std::int64_t control_plane_cpus = 0;
  std::int64_t reserve_mib = 0;                // stays with the host
  std::vector<std::string> stop_services;
  std::string cidr;                            // of the network of the VMs
  std::vector<std::string> notes;              // what the reader should know: sentences
};

// The display controllers that a cluster could have (NVIDIA's, one per slot), by NUMA node and address. The others
// are added to `left_out` with the reason.
std::vector<const InventoryFunction*> gpu_candidates(const Inventory& inventory, std::vector<LeftOutGpu>& left_out);

// Services that only watch GPUs, hold one of these now, and may be stopped while they are taken; by name.
std::vector<std::string> services_to_stop(const Inventory& inventory, const std::vector<const InventoryFunction*>& gpus);

// Distributes `proposal.gpus` to workers: by NVSwitch partition if Fabric Manager gives them to VMs, one by one if it
// does not although there are NVSwitches, else by NUMA node; GPUs of one IOMMU group stay together. Without `count`
// there are as many workers as NUMA nodes with GPUs, but two if there is one node with several GPUs. GPUs that no
// worker can have so move to `left_out`. False if there are fewer GPUs than workers, with the reason in `notes`.
bool assign_workers(const Inventory& inventory, std::optional<std::size_t> count, SpecProposal& proposal);

// Sizes of the VMs, so that they and what stays with the host fit into the memory and the processors of their nodes.
void size_vms(const Inventory& inventory, SpecProposal& proposal);

// A range for the VMs that neither a route nor a libvirt network of the host has. The first choice is the default of
// the spec. Without an answer of libvirt only routes count.
std::string free_network(HostReader& host);

// The spec as a document with comments.
std::string print_spec(const Inventory& inventory, const SpecProposal& proposal);

}  // namespace gpuplan
