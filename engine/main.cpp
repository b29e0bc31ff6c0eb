// argv → exit code.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <new>

#include "command/known_environment.h"
#include "command/run.h"
#include "host/interrupt.h"
#include "host/local/local_host.h"
#include "plan/heap_growth.h"

namespace {

// Secrets pass through the memory of this process: none of it goes to a core file, nor, by way of ptrace(2), to another
// process of the same user. A limit of 0 alone does not stop a core_pattern that is a pipe, see core(5).
void keep_memory_private() {
  const struct rlimit none {0, 0};
  setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__  // the leak checker looks at its process from outside
  prctl(PR_SET_DUMPABLE, 0);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  keep_memory_private();
  gpuplan::command::keep_known_environment();
  // Before all else: such a child must not inherit what the program sets up for itself.
  if (argc > 1 && std::strcmp(argv[1], gpuplan::file_access_child_flag) == 0) return gpuplan::run_file_access_child();
  gpuplan::Interrupt::install_handlers();
  umask(077);
  gpuplan::grow_heap_in_large_steps();
  try {
    return gpuplan::command::run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("error: gpuplan ran out of memory\n  next: `gpuplan status` tells whether a run is open\n", stderr);
  } catch (const std::exception&) {
    std::fputs(
        "error: gpuplan stopped because of a defect of its own\n"
        "  next: `gpuplan status` tells whether a run is open; please report the command line\n",
        stderr);
  }
  return 1;
}
