// From YAML to a Spec: every mistake that can be seen without a host.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "report/diagnostic.h"
#include "spec/spec.h"

namespace gpuplan {

// Reads and checks a whole spec. All problems are added to `diagnostics`, each at its place;
// returns nothing if any of them is an error. Warnings (a GPU that nobody uses) do not prevent a
// result. Pure: reads no host, no environment. Thread-safe.
std::optional<Spec> read_spec(std::shared_ptr<const SourceFile> file, Diagnostics& diagnostics);

// read_source_file, then read_spec.
std::optional<Spec> read_spec_file(const std::string& path, Diagnostics& diagnostics);

}  // namespace gpuplan
