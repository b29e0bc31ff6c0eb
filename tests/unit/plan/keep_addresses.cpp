#include "plan/resolve.h"
#include "support/catch.h"

using namespace gpuplan;

namespace {

WorkerSpec free_worker(const std::string& key, const std::string& address) {
  WorkerSpec worker;
  worker.key = key;
  worker.name = "gpu-" + key;
  worker.address = address;
  worker.address_is_free_choice = true;
  return worker;
}

OwnedResource made(const std::string& node, const std::string& address) {
  OwnedResource out;
  out.resource.address = Address("vm-define", node);
  out.resource.declared = {{"address", address}};
  return out;
}

Spec spec_of(std::vector<WorkerSpec> workers) {
  Spec spec;
  spec.control_plane.address = "192.168.130.10";
  spec.workers = std::move(workers);
  return spec;
}

}  // namespace

TEST_CASE("removing a worker moves nobody else's address") {
  Spec spec = spec_of({free_worker("beta", "192.168.130.20")});
  Diagnostics diagnostics;
  keep_addresses(spec, {made("gpu-alpha", "192.168.130.20"), made("gpu-beta", "192.168.130.21")}, diagnostics);
  CHECK(spec.workers[0].address == "192.168.130.21");
  CHECK_FALSE(diagnostics.has_errors());
}

TEST_CASE("a new worker takes the lowest address that nobody has") {
  Spec spec = spec_of({free_worker("aaa", "192.168.130.20"), free_worker("beta", "192.168.130.21")});
  WorkerSpec numbered;
  numbered.key = "worker-2";
  numbered.address = "192.168.130.22";
  spec.workers.push_back(numbered);
  Diagnostics diagnostics;
  keep_addresses(spec, {made("gpu-alpha", "192.168.130.20"), made("gpu-beta", "192.168.130.21")}, diagnostics);
  CHECK(spec.workers[0].address == "192.168.130.23");
  CHECK(spec.workers[1].address == "192.168.130.21");
  CHECK(spec.workers[2].address == "192.168.130.22");
}

TEST_CASE("an address outside the network is not kept, and one that is declared for another neither") {
  Spec spec = spec_of({free_worker("beta", "192.168.130.20"), free_worker("gamma", "192.168.130.21")});
  spec.control_plane.address = "192.168.130.31";
  Diagnostics diagnostics;
  keep_addresses(spec, {made("gpu-beta", "10.0.0.5"), made("gpu-gamma", "192.168.130.31")}, diagnostics);
  CHECK(spec.workers[0].address == "192.168.130.20");
  CHECK(spec.workers[1].address == "192.168.130.21");
}

TEST_CASE("a network without a free address is an error") {
  Spec spec = spec_of({free_worker("beta", "")});
  spec.network.cidr = "192.168.130.0/28";
  Diagnostics diagnostics;
  keep_addresses(spec, {}, diagnostics);
  REQUIRE(diagnostics.error_count() == 1);
  CHECK(diagnostics.items()[0].summary == "network.cidr 192.168.130.0/28 has no free address for beta");
}
