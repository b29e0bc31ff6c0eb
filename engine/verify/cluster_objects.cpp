#include "verify/cluster_objects.h"

#include <cstdlib>

namespace gpuplan::verify {

std::string name_of(const Json& object) { return string_at(object, "/metadata/name"); }

const Json& ready_condition(const Json& node) {
  static const Json absent;
  for (const Json& condition : member_at(node, "/status/conditions")) {
    if (string_at(condition, "/type") == "Ready") return condition;
  }
  return absent;
}

std::int64_t gpus_in(const Json& quantities) {
  if (!quantities.is_object()) return 0;
  const auto found = quantities.find(gpu_resource);
  if (found == quantities.end()) return 0;
  return found->is_string()           ? std::atoll(found->get_ref<const std::string&>().c_str())
         : found->is_number_integer() ? found->get<std::int64_t>()
                                      : 0;
}

bool has_ended(const Json& pod) {
  const std::string phase = string_at(pod, "/status/phase");
  return phase == "Succeeded" || phase == "Failed";
}

}  // namespace gpuplan::verify
