#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "spec/sections.h"

namespace gpuplan {
namespace {

constexpr std::size_t max_workers = 1024;
constexpr std::int64_t max_gpu_index = 1023;
constexpr std::size_t max_unknown_workers = 20;  // as many as MappingDecoder names

// Reads who gets which GPU, and knows whose each one is already.
class AssignmentReader {
 public:
  AssignmentReader(Spec& spec, bool gpus_known, Diagnostics& diagnostics)
      : spec_(spec), gpus_known_(gpus_known), diagnostics_(diagnostics) {}

  void read(const YamlNode::Entry& entry) {
    WorkerSpec worker;
    worker.name = fmt::format("{}-{}", spec_.cluster, entry.key);
    worker.where = entry.key_where;
    const bool named = check_worker_name(entry, worker.name, diagnostics_);
    worker.key = named ? entry.key : shorten(entry.key);  // which otherwise may be as long as the file
    const YamlNode& list = entry.value;
    if (!list.is_null() && !list.is_sequence()) {
      const std::string found = list.is_scalar() ? quote(list.text()) : std::string(describe(list.kind()));
      diagnostics_.error(
          list.where(),
          fmt::format("worker_gpu_assignment.{} must be a list of indexes into gpus, not {}", worker.key, found),
          list.is_scalar() ? fmt::format("write [{}]", shorten(list.text())) : "write [0, 1]");
    }
    for (std::size_t i = 0; i < list.items().size(); ++i) read_index(worker, list.items()[i], i);
    if (named) spec_.workers.push_back(std::move(worker));
  }

  void warn_of_unused() {
    // What could not be read may have been meant to use them.
    if (!gpus_known_ || diagnostics_.has_errors()) return;
    for (std::size_t i = 0; i < spec_.gpus.size(); ++i) {
      if (owners_.count(i) > 0) continue;
      diagnostics_.warning(spec_.gpus[i].where, fmt::format("no worker uses GPU {}", name_of(i)),
                           "add its index under worker_gpu_assignment, or remove it from gpus");
    }
  }

 private:
  void read_index(WorkerSpec& worker, const YamlNode& node, std::size_t position) {
    const std::string what = fmt::format("worker_gpu_assignment.{}[{}]", worker.key, position);
    const std::int64_t count = gpus_known_ ? static_cast<std::int64_t>(spec_.gpus.size()) : max_gpu_index + 1;
    const auto number =
        gpus_known_ ? decode_int(node, what, diagnostics_) : decode_int(node, what, diagnostics_, 0, max_gpu_index);
    if (!number) return;
    if (*number < 0 || *number >= count) {
      diagnostics_.error(node.where(), out_of_range(worker.key, *number),
                         "indexes count from 0, in the order of gpus");
      return;
    }
    const auto index = static_cast<std::size_t>(*number);
    const auto [owner, is_new] = owners_.emplace(index, Owner{worker.key, node.where()});
    if (is_new) {
      worker.gpu_indexes.push_back(index);
    } else if (owner->second.worker == worker.key) {
      diagnostics_.error(node.where(), fmt::format("{} uses GPU {} twice", worker.key, name_of(index)),
                         "remove one of them");
    } else {
      diagnostics_.error(node.where(),
                         fmt::format("{} uses GPU {}, which {} has already (line {})", worker.key, name_of(index),
                                     owner->second.worker, owner->second.where.line),
                         "give each GPU to one worker");
    }
  }

  std::string out_of_range(const std::string& worker, std::int64_t index) const {
    const std::size_t count = spec_.gpus.size();
    const std::string start = fmt::format("{} uses GPU {}, but `gpus` ", worker, index);
    if (count == 0) return start + "is empty";
    if (count == 1) return start + "has only entry 0";
    return start + fmt::format("has entries 0 to {}", count - 1);
  }

  std::string name_of(std::size_t index) const {
    // 0000:00:00.0 is no GPU anywhere: the entry could not be read.
    const bool known = index < spec_.gpus.size() && spec_.gpus[index].address != Bdf{};
    if (!known) return fmt::format("{}", index);
    return fmt::format("{} ({})", index, spec_.gpus[index].address.to_string());
  }

  struct Owner {
    std::string worker;
    SourceLocation where;
  };

  Spec& spec_;
  bool gpus_known_;
  Diagnostics& diagnostics_;
  std::map<std::size_t, Owner> owners_;
};

}  // namespace

bool check_worker_name(const YamlNode::Entry& entry, const std::string& name, Diagnostics& diagnostics) {
  if (name.size() > 63) {
    diagnostics.error(entry.key_where,
                      fmt::format("the node name {} has {} characters; 63 is the most", quote(name), name.size()),
                      "choose a shorter name for the worker or the cluster");
    return false;
  }
  if (!is_dns_label(entry.key)) {
    diagnostics.error(entry.key_where, fmt::format("worker {} is not a DNS label", quote(entry.key)),
                      label_remedy(entry.key));
    return false;
  }
  if (entry.key == "control-plane") {
    diagnostics.error(entry.key_where, "the name control-plane belongs to the control plane",
                      "call the worker something else, for example worker-1");
    return false;
  }
  return true;
}

void check_worker_keys(MappingDecoder& section, const YamlNode* mapping, MappingDecoder& document,
                       Diagnostics& diagnostics, std::string_view also_known) {
  if (mapping == nullptr) return;
  const YamlNode* assignment = document.node("worker_gpu_assignment");
  std::vector<std::string_view> known;
  if (!also_known.empty()) known.push_back(also_known);
  if (assignment != nullptr) {
    for (const YamlNode::Entry& entry : assignment->entries()) known.push_back(entry.key);
  }
  const std::set<std::string_view> known_set(known.begin(), known.end());
  std::size_t unknown = 0;
  for (const YamlNode::Entry& entry : mapping->entries()) {
    if (known_set.count(entry.key) > 0 || ++unknown > max_unknown_workers) continue;
    const std::string guess = known.size() <= max_workers ? did_you_mean(entry.key, known) : std::string();
    diagnostics.error(entry.key_where,
                      fmt::format("{}: there is no worker {}", section.path(entry.key), quote(entry.key)),
                      guess.empty() ? "workers are declared under worker_gpu_assignment"
                                    : fmt::format("did you mean {}?", quote(guess)));
  }
}

void read_workers(MappingDecoder& document, Spec& spec, Diagnostics& diagnostics) {
  const YamlNode* gpus = document.node("gpus");
  // A `gpus` that could not be read says nothing about how many there are.
  const bool gpus_known = gpus == nullptr || (gpus->is_sequence() && gpus->items().size() == spec.gpus.size());
  AssignmentReader reader(spec, gpus_known, diagnostics);
  if (const YamlNode* node = document.node("worker_gpu_assignment")) {
    if (!node->is_mapping()) {
      diagnostics.error(node->where(),
                        fmt::format("worker_gpu_assignment must be a mapping, not {}",
                                    node->is_scalar() ? quote(node->text()) : describe(node->kind())),
                        "write worker-1: [0, 1] for each worker");
      return;
    }
    if (node->entries().size() > max_workers) {
      diagnostics.error(
          node->where(),
          fmt::format("worker_gpu_assignment has {} workers; {} is the most", node->entries().size(), max_workers),
          "check that this is the file you meant");
      return;
    }
    for (const YamlNode::Entry& entry : node->entries()) reader.read(entry);
  }
  reader.warn_of_unused();
}

}  // namespace gpuplan
