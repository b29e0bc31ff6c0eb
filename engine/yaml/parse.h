// Reads YAML text. This folder is the only user of yaml-cpp.
#pragma once

#include <memory>

#include "report/diagnostic.h"
#include "yaml/node.h"

namespace gpuplan {

// Limits against hostile documents; beyond them parsing stops with an error.
struct YamlLimits {
  std::size_t max_bytes = 1U << 20U;
  std::size_t max_depth = 64;
  std::size_t max_nodes = 200'000;
};

// Parses exactly one document. On any problem (syntax, a second document, a key that stands twice in
// one mapping, anchors, aliases, merge keys, custom tags, a key that is not a scalar, text that is
// not UTF-8, a limit) adds errors to `diagnostics` and returns what could be read, else a null node.
// An empty document is a null node without an error. Thread-safe.
YamlNode parse_yaml(std::shared_ptr<const SourceFile> file, Diagnostics& diagnostics, const YamlLimits& limits = {});

// Reads the file at `path` into a SourceFile. A missing or unreadable file, one that is not a
// regular file, or one larger than `max_bytes` is an error in `diagnostics` and a null pointer.
std::shared_ptr<const SourceFile> read_source_file(const std::string& path, Diagnostics& diagnostics,
                                                   std::size_t max_bytes = 1U << 20U);

}  // namespace gpuplan
