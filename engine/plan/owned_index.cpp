#include "plan/owned_index.h"

#include <algorithm>
#include <unordered_set>

namespace gpuplan {

OwnedIndex::OwnedIndex(const std::vector<OwnedResource>& owned) {
  by_address_.reserve(owned.size());
  for (const OwnedResource& item : owned) by_address_.emplace(item.resource.address.to_string(), &item);
}

const OwnedResource* OwnedIndex::find(const Address& address) const {
  const auto found = by_address_.find(address.to_string());
  return found == by_address_.end() ? nullptr : found->second;
}

Prior OwnedIndex::prior(const Address& address) const {
  const OwnedResource* owned = find(address);
  return owned == nullptr ? Prior() : prior_of(*owned);
}

std::set<Address> OwnedIndex::addresses() const {
  std::set<Address> out;
  for (const auto& [address, item] : by_address_) out.insert(item->resource.address);
  return out;
}

std::vector<const Resource*> OwnedIndex::besides(const std::vector<Resource>& resources) const {
  std::unordered_set<std::string_view> there;
  there.reserve(resources.size());
  for (const Resource& resource : resources) there.insert(resource.address.to_string());
  std::vector<const Resource*> out;
  for (const auto& [address, item] : by_address_) {
    if (there.count(address) == 0) out.push_back(&item->resource);
  }
  std::sort(out.begin(), out.end(), [](const Resource* a, const Resource* b) { return a->address < b->address; });
  return out;
}

}  // namespace gpuplan
