// Every simulated server in specs/hosts with specs that suit it or do not: what check and plan say, and whether
// a cluster can be made there and taken away again without a trace.
#include <algorithm>
#include <filesystem>
#include <regex>
#include <sstream>

#include "program.h"
#include "support/catch.h"
#include "support/model_essence.h"

namespace {

struct Row {
  std::string spec;  // below tests/corpus/hosts, or else a path
  std::string host;  // below specs/hosts
  int exit_code;     // of check and plan alike
  std::vector<std::string> said;  // by check: what a person must be told
};

const std::vector<Row> rows = {
    {"specs/h100-8gpu.yaml", "h100-sxm8", 0, {"0 warnings, 0 failed."}},
    {"specs/minimal.yaml", "busy", 0, {"0 warnings, 0 failed."}},  // its GPUs are not the busy ones
    {"specs/h100-8gpu.yaml", "busy", 1, {"held by python3 (pid 4242, unit training.service)"}},
    {"four-and-four", "h200-sxm8", 0, {"0 warnings, 0 failed."}},
    {"across-sockets", "h200-sxm8", 1, {"modules 1, 5", "0000:18:00.0 0000:2a:00.0; or 0000:3a:00.0 0000:5d:00.0"}},
    {"specs/h100-8gpu.yaml", "h200-sxm8", 1,
     {"there is no PCI device 0000:0a:00.0", "GPUs on this host: 0000:18:00.0 (10de:2335)", "gpu_device_ids allows 10de:2330"}},
    {"rtx4-with-audio", "rtx4", 0, {"0 warnings, 0 failed."}},
    {"two-and-two", "rtx4", 0, {"0 warnings, 0 failed."}},
    {"two-and-two-stopping", "a100-pcie4", 0, {"0 warnings, 0 failed."}},
    {"two-and-two", "a100-pcie4", 1,
     {"0000:c1:00.0 is held by nvidia-persiste (pid 1391, unit nvidia-persistenced.service)"}},
    {"one-gpu", "shared-nic", 1,
     {"IOMMU group 1 also holds 0000:02:00.0 (Ethernet controller, driver i40e, interface enp2s0f0)"}},
    {"one-gpu", "no-iommu-firmware", 1, {"switch on VT-d in the firmware setup"}},
    {"specs/no-gpu.yaml", "no-iommu-firmware", 0, {"0 warnings, 0 failed."}},
    {"one-gpu", "no-iommu-parameter", 1, {"add intel_iommu=on to GRUB_CMDLINE_LINUX"}},
    {"one-gpu", "no-interrupt-remapping", 1, {"take intremap=off out of the kernel command line"}},
    {"one-gpu", "h200-vm", 1, {"this host is itself a virtual machine and sees no IOMMU"}},
};

std::string spec_path(const Row& row) {
  return row.spec.find('/') != std::string::npos ? row.spec : "tests/corpus/hosts/" + row.spec + ".yaml";
}

std::string host_path(const Row& row) { return "specs/hosts/" + row.host + ".yaml"; }

std::string golden_file(const Row& row) {
  return "hosts/" + std::filesystem::path(spec_path(row)).stem().string() + "--" + row.host;
}

// What check printed, without the checks that passed: they are counted in its last line.
cli::Result without_passes(cli::Result result) {
  std::istringstream lines(result.out);
  std::string kept, heading;
  for (std::string line; std::getline(lines, line);) {
    const bool is_heading = !line.empty() && line.find(' ') == std::string::npos;
    if (is_heading) heading = line + '\n';
    if (is_heading || line.rfind("  pass  ", 0) == 0) continue;
    if (!line.empty()) kept += heading;
    kept += line + '\n';
    heading.clear();
  }
  result.out = kept;
  result.words.emplace_back(" (checks that passed are left out)");
  return result;
}

// The text with the name of one host replaced by that of another.
std::string said_of(std::string text, const std::string& host, const std::string& name) {
  for (std::size_t at = 0; (at = text.find(host, at)) != std::string::npos; at += name.size()) {
    text.replace(at, host.size(), name);
  }
  return text;
}

// On the model that `gpuplan record` makes of the host, check and plan must say the same.
void expect_same_on_twin(const Row& row, const cli::Place& place, const cli::Result& checked, const cli::Result& planned) {
  const std::string twin = place.state_dir() + "-twin.yaml";
  const cli::Result recorded = place.run({"record", "--host", "sim:" + host_path(row), "--out", twin});
  INFO(recorded.err);
  REQUIRE(recorded.exit_code == 0);
  CHECK(recorded.err.empty() == (row.host != "h200-vm"));  // which has no libvirt to read
  for (const cli::Result* original : {&checked, &planned}) {
    const cli::Result again = place.run({original->words[0], spec_path(row), "--host", "sim:" + twin});
    CHECK(again.exit_code == original->exit_code);
    CHECK(said_of(again.out, twin, host_path(row)) == original->out);
    CHECK(said_of(again.err, twin, host_path(row)) == original->err);
  }
}

// Makes the cluster on a copy of the host that waits for nothing, and takes it away again.
void make_and_destroy(const Row& row) {
  const cli::Place place;
  const std::string model = cli::read_file(std::string(GPUPLAN_SOURCE_DIR) + "/" + host_path(row));
  const std::string host =
      place.write("host.yaml", std::regex_replace(model, std::regex("(^|\n)clock_speed:[^\n]*"), "$1clock_speed: 0"));
  const auto run = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--host", "sim:" + host});
    const cli::Result result = place.run(words);
    INFO(words[0] << "\n" << result.out << result.err);
    REQUIRE(result.exit_code == 0);
    return result.out;
  };
  run({"apply", spec_path(row), "--yes"});
  CHECK_THAT(run({"apply", spec_path(row), "--yes"}), contains("No changes."));
  run({"destroy", "--yes"});
  std::size_t models = 0;
  for (const auto& entry : std::filesystem::directory_iterator(place.state_dir() + "/sim")) {
    if (entry.path().extension() != ".yaml") continue;
    ++models;
    CHECK(first_difference(model_essence(host), model_essence(entry.path())) == "");
  }
  CHECK(models == 1);
}

}  // namespace

TEST_CASE("specs on hosts: check and plan say what stands in tests/golden/hosts, and what can be made can be undone") {
  for (const Row& row : rows) {
    INFO(golden_file(row));
    const cli::Place place;
    const cli::Result checked = place.run({"check", spec_path(row), "--host", "sim:" + host_path(row)});
    const cli::Result planned = place.run({"plan", spec_path(row), "--host", "sim:" + host_path(row)});
    CHECK(checked.exit_code == row.exit_code);
    CHECK(planned.exit_code == row.exit_code);
    for (const std::string& text : row.said) CHECK_THAT(checked.out, contains(text));
    cli::expect_golden_text(golden_file(row),
                            place.transcript(without_passes(checked)) + "\n" + place.transcript(planned));
    expect_same_on_twin(row, place, checked, planned);
    if (row.exit_code == 0) make_and_destroy(row);
  }
}

TEST_CASE("every simulated host stands in a row") {
  for (const auto& entry : std::filesystem::directory_iterator(std::string(GPUPLAN_SOURCE_DIR) + "/specs/hosts")) {
    if (entry.path().extension() != ".yaml") continue;
    INFO(entry.path());
    CHECK(std::any_of(rows.begin(), rows.end(), [&](const Row& row) { return row.host == entry.path().stem(); }));
  }
}
