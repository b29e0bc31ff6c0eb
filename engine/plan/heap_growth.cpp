#include "plan/heap_growth.h"

#include <malloc.h>

namespace gpuplan {

void grow_heap_in_large_steps() {
  constexpr int step = 16 << 20;
  mallopt(M_TOP_PAD, step);
}

}  // namespace gpuplan
