// Hostile specs that are too large, too repetitive or too binary to be stored.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

struct GeneratedSpec {
  std::string name;  // its expected answer is tests/corpus/spec-generated/NAME.expected
  std::function<void(std::ostream&)> write;
};

const std::vector<GeneratedSpec>& generated_specs();
