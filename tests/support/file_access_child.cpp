// The child of host/local, without the rest of gpuplan around it.
#include "host/local/local_host.h"

int main() { return gpuplan::run_file_access_child(); }
