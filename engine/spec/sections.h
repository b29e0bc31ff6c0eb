// The parts of a spec document, each read by one function. Internal to this folder.
#pragma once

#include <string_view>

#include "spec/network_range.h"
#include "spec/spec.h"
#include "yaml/decode.h"

namespace gpuplan {

// Each takes its keys from `document`, fills its part of `spec` and adds what is wrong to
// `diagnostics`. Order matters where said so.
void read_gpus(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics);
void read_workers(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics);  // after cluster and read_gpus
void read_nodes(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics);  // after read_workers
void read_vm_resources(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics);  // after read_workers
void read_host(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics);
void read_image(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics);
void read_storage(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics);
void read_gpu_operator(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics);
// mirrors and ca_certificates. After all that is fetched from somewhere.
void read_mirrors(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics);
// Adds an error for each thing that `spec` needs and has no mirror for.
void require_mirrors(const Spec& spec, const SourceLocation& where, Diagnostics& diagnostics);
// Reads what the spec's files have, beside the spec at `spec_path`. Everything wrong with them is an error.
void read_files(Spec& spec, const std::string& spec_path, Diagnostics& diagnostics);
void read_timeouts(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics);
// network and kubernetes, and that their ranges do not overlap. After read_workers.
void read_networks(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics);
// The addresses of all VMs in `range`, which stands at `range_where`: from network.addresses and by name.
void assign_addresses(MappingDecoder& addresses, const Ipv4Range& range,
                      const std::optional<SourceLocation>& range_where, Spec& spec, Diagnostics& diagnostics);
// False, and said at the key's place, if it cannot name a worker whose node is called `name`.
bool check_worker_name(const YamlNode::Entry& entry, const std::string& name, Diagnostics& diagnostics);
// That each key of `mapping`, which stands at `section`'s place, is a worker of the document or `also_known`.
void check_worker_keys(MappingDecoder& section, const YamlNode* mapping, MappingDecoder& document,
                       Diagnostics& diagnostics, std::string_view also_known);

// What a number of CPUs or of a size may be, and how it is said.
struct Size {
  std::string_view key;
  std::string_view unit;  // MiB, GiB or CPUs
  std::int64_t least;
  std::int64_t most;
};
constexpr std::int64_t max_memory_mib = 16'777'216;  // 16 TiB
void read_size(MappingDecoder& section, const Size& size, std::int64_t& target, Diagnostics& diagnostics);
// The section under `key`; one without members if it is absent.
MappingDecoder section(MappingDecoder& document, std::string_view key, Diagnostics& diagnostics);
// True for a DNS label (RFC 1123): a-z, 0-9 and dashes, no dash at either end, at most 63 characters.
bool is_dns_label(std::string_view text);
// What to do about a text that is none.
std::string label_remedy(std::string_view text);
// Only letters, digits and the characters in `others`; not empty.
bool consists_of(std::string_view text, std::string_view others);

}  // namespace gpuplan
