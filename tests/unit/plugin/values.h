// Short names for attribute values.
#pragma once

#include <string>
#include <vector>

#include "plugin/value.h"

inline gpuplan::Value text(const char* value) { return std::string(value); }
inline gpuplan::Value list(std::vector<std::string> items) { return items; }
