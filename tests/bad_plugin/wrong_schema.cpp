// A schema that contradicts itself.
#include "idle_kind.h"

namespace {
class Contradiction : public bad_plugin::IdleKind {
 public:
  const gpuplan::Schema& schema() const override {
    static const gpuplan::Schema twice = {{"color"}, {"color"}};
    return twice;
  }
};
}  // namespace

GPUPLAN_PLUGIN(Contradiction, "idle", "");
