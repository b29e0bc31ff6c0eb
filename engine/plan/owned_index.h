// What gpuplan owns, by address.
#pragma once

#include <set>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "plan/owned.h"
#include "plugin/step_kind.h"

namespace gpuplan {

// Finds one among many owned resources. Immutable: reading is thread-safe.
class OwnedIndex {
 public:
  // `owned` must outlive the index and stay as it is.
  explicit OwnedIndex(const std::vector<OwnedResource>& owned);

  // A null pointer if gpuplan does not own it.
  const OwnedResource* find(const Address& address) const;
  Prior prior(const Address& address) const;
  std::set<Address> addresses() const;
  // What is owned, but not among `resources`, ordered by address.
  std::vector<const Resource*> besides(const std::vector<Resource>& resources) const;

 private:
  std::unordered_map<std::string_view, const OwnedResource*> by_address_;  // views of the addresses in the list
};

}  // namespace gpuplan
