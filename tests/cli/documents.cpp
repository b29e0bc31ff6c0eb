// gpuplan show vm and show kubeadm: what would be handed on to libvirt and kubeadm.
#include <cstdlib>

#include "program.h"
#include "support/catch.h"

TEST_CASE("show vm prints the document with which a VM would be defined") {
  const cli::Place place;
  const cli::Result worker = place.run({"show", "vm", "gpu-worker-1", cli::h100_spec, "--xml", "--host", cli::h100_host});
  CHECK(worker.exit_code == 0);
  cli::expect_golden_text("cli/show-vm-worker", worker.out);
  const cli::Result audio =
      place.run({"show", "vm", "gpu-worker-1", "tests/corpus/hosts/rtx4-with-audio.yaml", "--host", "sim:specs/hosts/rtx4.yaml"});
  CHECK(audio.exit_code == 0);
  cli::expect_golden_text("cli/show-vm-with-audio", audio.out);
  // All eight cards of a board: the window for their BARs, and memory in large pages.
  const std::string all = place.write("all.yaml", "gpus: auto\nworker_gpu_assignment: {worker-1: [0, 1, 2, 3, 4, 5, 6, 7]}\n"
                                                  "vm_resources: {worker: {memory: 1048576, cpus: 64, hugepages: 1G}}\n");
  const cli::Result board = place.run({"show", "vm", "gpu-worker-1", all, "--host", "sim:specs/hosts/h200-sxm8.yaml"});
  CHECK(board.exit_code == 0);
  cli::expect_golden_text("cli/show-vm-eight", board.out);
  for (const cli::Result* result : {&worker, &audio, &board}) {
    const std::string file = place.write("domain.xml", result->out);
    CHECK(std::system(("virt-xml-validate '" + file + "' domain >/dev/null").c_str()) == 0);
  }
}

TEST_CASE("show vm after a run has the spec of that run and the domain's UUID") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", "specs/minimal.yaml", "--yes"}).exit_code == 0);
  const cli::Result shown = place.run_sim({"show", "vm", "gpu-worker-1"});
  CHECK(shown.exit_code == 0);
  CHECK_THAT(shown.out, contains("<name>gpu-worker-1</name>"));
  CHECK_THAT(shown.out, contains("<uuid>"));
}

TEST_CASE("show kubeadm prints the configuration of the control plane, without a token") {
  const cli::Place place;
  const cli::Result shown = place.run({"show", "kubeadm", cli::h100_spec, "--host", cli::h100_host});
  CHECK(shown.exit_code == 0);
  CHECK(shown.out.find("token") == std::string::npos);
  cli::expect_golden_text("cli/show-kubeadm", shown.out);
}

TEST_CASE("show says which VMs there are") {
  const cli::Place place;
  place.expect_golden("show-vm-typo", place.run({"show", "vm", "gpu-worker-3", cli::h100_spec, "--host", cli::h100_host}));
  CHECK(place.run({"show", "vm", "--host", cli::h100_host}).exit_code == 64);
  CHECK(place.run({"show", "kubeadm", cli::h100_spec, "more", "--host", cli::h100_host}).exit_code == 64);
  CHECK(place.run({"show", "vm", "gpu-worker-1", "--host", cli::h100_host}).exit_code == 1);
}
