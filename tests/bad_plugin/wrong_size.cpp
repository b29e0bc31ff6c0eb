// The descriptor of another version of the interface: nothing behind its size may be read.
#include <cstdint>

extern "C" __attribute__((visibility("default"))) const std::uint32_t gpuplan_plugin[] = {0x47505031, 8};
