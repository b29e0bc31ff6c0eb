// Specs: YAML, its decoding, what is told about its mistakes.
#include "fuzz/fuzz.h"
#include "spec/read_spec.h"
#include "yaml/parse.h"
#include "yaml/print.h"

using namespace gpuplan;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = std::make_shared<const SourceFile>(SourceFile{"spec.yaml", fuzz::text(data, size)});
  Diagnostics problems;
  const auto spec = read_spec(file, problems);
  for (const Diagnostic& problem : problems.items()) render(problem, true);
  fuzz::require(spec.has_value() != problems.has_errors(), "a spec, or errors, and never both");

  Diagnostics of_text;
  const YamlNode tree = parse_yaml(file, of_text);
  if (of_text.has_errors()) return 0;
  // What is printed says the same again.
  const std::string printed = print_yaml(tree);
  Diagnostics again;
  const YamlNode same = parse_yaml(std::make_shared<const SourceFile>(SourceFile{"printed", printed}), again);
  fuzz::require(!again.has_errors() && print_yaml(same) == printed, "printed YAML reads back");
  return 0;
}
