// kubeconfigs: the parts `own`, the user's file, and `admin`, what a control plane handed out.
#include "kubeconfig/kubeconfig.h"

#include "fuzz/fuzz.h"

using namespace gpuplan;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<fuzz::Part> parts = fuzz::parts(data, size);
  const auto file = [&](const char* name) {
    return std::make_shared<const SourceFile>(SourceFile{name, fuzz::part(parts, name)});
  };
  const KubeconfigOwner owner{"gpu", "host-1"};
  Diagnostics problems;
  has_entries_of(file("own"), owner);
  const auto merged = merge_kubeconfig(file("own"), file("admin"), owner, true, problems);
  for (const Diagnostic& problem : problems.items()) render(problem, false);
  if (!merged) return 0;
  const auto written = std::make_shared<const SourceFile>(SourceFile{"merged", merged->text});
  fuzz::require(has_entries_of(written, owner), "what was merged is found again");
  Diagnostics none;
  const auto again = merge_kubeconfig(written, file("admin"), owner, true, none);
  fuzz::require(again && !again->changed, "merging twice changes nothing");
  return 0;
}
