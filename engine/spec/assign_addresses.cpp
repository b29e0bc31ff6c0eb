#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "spec/sections.h"

namespace gpuplan {
namespace {

constexpr std::uint32_t control_plane_offset = 10;
constexpr std::uint32_t first_worker_offset = 20;

// The number at the end of a worker's name: 12 for "worker-12". Nothing if there is none.
std::optional<std::uint32_t> number_of(std::string_view key) {
  constexpr std::size_t max_digits = 9;
  const std::size_t digits = key.size() - (key.find_last_not_of("0123456789") + 1);
  if (digits == 0) return std::nullopt;
  if (digits > max_digits) return 999'999'999;  // no network is that large either
  std::uint32_t number = 0;
  for (const char c : key.substr(key.size() - digits)) number = number * 10 + static_cast<std::uint32_t>(c - '0');
  return number;
}

// Gives each VM an address of the range that nobody else has.
class AddressBook {
 public:
  // `range_where`: the place of network.cidr.
  AddressBook(const Ipv4Range& range, std::uint32_t gateway, SourceLocation range_where, Diagnostics& diagnostics)
      : range_(range), gateway_(gateway), range_where_(std::move(range_where)), diagnostics_(diagnostics) {}

  // Why `address` can be nobody's; empty if it can be somebody's.
  std::string objection(std::uint32_t address) const {
    if (!range_.contains(address)) return fmt::format("is outside network.cidr {}", range_.to_string());
    if (address == range_.base) return "is the address of the network itself";
    if (address == range_.last()) return "is the broadcast address of the network";
    if (address == gateway_) return "is the gateway";
    return {};
  }

  // False if the address has an owner already; said at `where`, or else where the owner asked for it.
  bool take(std::uint32_t address, const std::string& who, const std::optional<SourceLocation>& where) {
    const auto [owner, is_new] = owners_.emplace(address, Owner{who, where});
    if (is_new) return true;
    Diagnostic clash;
    clash.summary = fmt::format("{} and {} would both get {}", owner->second.who, who, format_ipv4(address));
    clash.remedy = "give one of them another address under network.addresses";
    clash.where = where ? where : owner->second.where;
    diagnostics_.add(std::move(clash));
    return false;
  }

  // By a rule, counted from the network's base.
  std::string take_offset(std::uint64_t offset, const std::string& who, const std::optional<SourceLocation>& where) {
    const std::uint64_t wanted = range_.base + offset;
    if (wanted >= range_.last()) {
      diagnostics_.error(where.value_or(range_where_),
                         fmt::format("network.cidr {} is too small for {}, which is to be number {} in it",
                                     range_.to_string(), who, offset),
                         "widen network.cidr, or give it an address under network.addresses");
      return {};
    }
    const auto address = static_cast<std::uint32_t>(wanted);
    return take(address, who, where) ? format_ipv4(address) : std::string();
  }

  std::string take_lowest(const std::string& who, const SourceLocation& where) {
    for (std::uint64_t address = std::uint64_t{range_.base} + first_worker_offset; address < range_.last();
         ++address) {
      if (owners_.count(static_cast<std::uint32_t>(address)) > 0) continue;
      owners_.emplace(static_cast<std::uint32_t>(address), Owner{who, where});
      return format_ipv4(static_cast<std::uint32_t>(address));
    }
    diagnostics_.error(where, fmt::format("network.cidr {} has no free address for {}", range_.to_string(), who),
                       "widen network.cidr");
    return {};
  }

 private:
  struct Owner {
    std::string who;
    std::optional<SourceLocation> where;
  };

  const Ipv4Range range_;
  const std::uint32_t gateway_;
  const SourceLocation range_where_;
  Diagnostics& diagnostics_;
  std::map<std::uint32_t, Owner> owners_;
};

// The explicit address of `key`; empty if it has none or a wrong one.
std::string read_explicit(MappingDecoder& addresses, const std::string& key, AddressBook& book,
                          Diagnostics& diagnostics) {
  const YamlNode* node = addresses.node(key);
  if (node == nullptr) return {};
  std::string text;
  addresses.string(key, text);
  if (!node->is_scalar()) return {};
  const auto address = parse_ipv4(text);
  if (!address) {
    diagnostics.error(node->where(), fmt::format("{}: {} is not an IPv4 address", addresses.path(key), quote(text)),
                      "write four numbers from 0 to 255 with dots between them");
    return {};
  }
  const std::string objection = book.objection(*address);
  if (!objection.empty()) {
    diagnostics.error(node->where(), fmt::format("{}: {} {}", addresses.path(key), text, objection),
                      "choose another address of the network");
    return {};
  }
  return book.take(*address, key, node->where()) ? format_ipv4(*address) : std::string();
}

}  // namespace

void assign_addresses(MappingDecoder& addresses, const Ipv4Range& range,
                      const std::optional<SourceLocation>& range_where, Spec& spec, Diagnostics& diagnostics) {
  AddressBook book(range, parse_ipv4(spec.network.gateway).value_or(range.base + 1), range_where.value_or(SourceLocation{spec.file, 1, 1, 1}), diagnostics);
  const std::string control_plane = "control-plane";
  const auto is_given = [&](const std::string& key) { return addresses.node(key) != nullptr; };
  const auto read = [&](const std::string& key, std::string& target) {
    target = read_explicit(addresses, key, book, diagnostics);
    if (!target.empty()) spec.network.addresses.emplace(key, target);
  };
  // What was asked for comes first, then what a rule fixes, then what is free: so that an added or
  // removed worker moves as few others as can be.
  // Machines have theirs, which no VM may get.
  const auto keep = [&](const std::string& key, const std::string& address) {
    const auto known = parse_ipv4(address);
    if (known && range.contains(*known)) book.take(*known, key, locate(spec, fmt::format("nodes.{}.ssh", key)));
  };
  if (spec.control_plane.machine) keep(control_plane, spec.control_plane.address);
  for (const WorkerSpec& worker : spec.workers) {
    if (worker.machine) keep(worker.key, worker.address);
  }
  if (!spec.control_plane.machine) read(control_plane, spec.control_plane.address);
  for (WorkerSpec& worker : spec.workers) {
    if (!worker.machine) read(worker.key, worker.address);
  }
  if (!is_given(control_plane) && !spec.control_plane.machine) {
    spec.control_plane.address = book.take_offset(control_plane_offset, control_plane, std::nullopt);
  }
  for (WorkerSpec& worker : spec.workers) {
    const auto number = number_of(worker.key);
    if (is_given(worker.key) || worker.machine || !number) continue;
    worker.address = book.take_offset(std::uint64_t{first_worker_offset} + *number, worker.key, worker.where);
  }
  for (WorkerSpec& worker : spec.workers) {
    if (is_given(worker.key) || worker.machine || number_of(worker.key)) continue;
    worker.address = book.take_lowest(worker.key, worker.where);
    worker.address_is_free_choice = true;
  }
}

}  // namespace gpuplan
