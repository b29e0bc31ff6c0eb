// Something else under the descriptor's name.
extern "C" __attribute__((visibility("default"))) const unsigned gpuplan_plugin = 0x12345678;
