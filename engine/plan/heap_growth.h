// How memory is taken from the system while plans are made.
#pragma once

namespace gpuplan {

// A plan is a great many small objects, made by several threads. From here on each heap grows in steps of 16 MiB instead of
// 128 KiB, each of which is a system call that stops all threads; what is not used costs no memory. Before any other thread
// starts. Source: mallopt(3), M_TOP_PAD
void grow_heap_in_large_steps();

}  // namespace gpuplan
