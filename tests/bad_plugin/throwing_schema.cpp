// schema() throws what is not even an exception.
#include "idle_kind.h"

namespace {
class SchemaThrower : public bad_plugin::IdleKind {
 public:
  const gpuplan::Schema& schema() const override { throw 42; }
};
}  // namespace

GPUPLAN_PLUGIN(SchemaThrower, "idle", "");
