// kind() throws.
#include <stdexcept>

#include "idle_kind.h"

namespace {
class KindThrower : public bad_plugin::IdleKind {
 public:
  std::string_view kind() const override { throw std::runtime_error("no name"); }
};
}  // namespace

GPUPLAN_PLUGIN(KindThrower, "idle", "");
