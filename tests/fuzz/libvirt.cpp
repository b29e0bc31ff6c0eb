// libvirt's documents: domains, networks, pools, volumes; others than gpuplan write them, too.
#include <algorithm>

#include "fuzz/fuzz.h"
#include "host/xml/domain_xml.h"
#include "host/xml/storage_xml.h"

using namespace gpuplan;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string xml = fuzz::text(data, size);
  if (const auto domain = parse_domain(xml)) {
    const auto again = parse_domain(render_domain(*domain));
    fuzz::require(again.has_value(), "a domain that was written reads back");
    // Slots stay together, so that their order may be another.
    const auto sorted = [](std::vector<Bdf> devices) {
      std::sort(devices.begin(), devices.end());
      return devices;
    };
    fuzz::require(sorted(again->devices) == sorted(domain->devices), "with the same devices");
  }
  if (const auto network = parse_network(xml)) {
    fuzz::require(parse_network(render_network(*network)).has_value(), "a network that was written reads back");
  }
  parse_pool_path(xml);
  if (const auto volume = parse_volume(xml)) {
    fuzz::require(parse_volume(render_volume(*volume)).has_value(), "a volume that was written reads back");
  }
  return 0;
}
