// How a PCI function changes drivers, on this machine's kernel and on the simulated host. A real one has to be lent:
// GPUPLAN_TEST_PCI is the BDF of a function that nobody uses, with the driver that it has by itself.
#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "host/pci/pci.h"
#include "subject.h"
#include "support/host_error_of.h"

using namespace gpuplan;

namespace {

constexpr const char* probe = "/sys/bus/pci/drivers_probe";
constexpr std::chrono::seconds limit{30};

std::vector<std::string> hosts_with_a_function() {
  std::vector<std::string> out = contract_hosts();
  if (std::getenv("GPUPLAN_TEST_PCI") == nullptr) out.erase(std::remove(out.begin(), out.end(), "this machine"), out.end());
  return out;
}

class Function {
 public:
  Function(const std::string& name, Host& host) : host_(host) {
    for (const PciFunction& each : read_pci_functions(host.files())) {
      if (name == "this machine" ? each.address.to_string() == std::getenv("GPUPLAN_TEST_PCI") : each.is_gpu())
        bdf_ = each.address.to_string();
    }
    REQUIRE_FALSE(bdf_.empty());
    own_driver_ = driver();
    REQUIRE_FALSE(own_driver_.empty());
  }

  std::string driver() const {
    const std::string link = path("driver");
    if (host_.files().kind(link) == FileKind::none) return "";
    const std::string target = host_.files().read_link(link);
    return target.substr(target.rfind('/') + 1);
  }
  // "none, override vfio-pci, closed": the driver, its own one by the word "own"; what the override reads; whether the
  // group can be opened through vfio.
  std::string state() const {
    const std::string now = driver();
    std::string forced = host_.files().read(path("driver_override"));
    REQUIRE(forced.back() == '\n');
    forced.pop_back();
    const std::string group = host_.files().read_link(path("iommu_group"));
    const bool opens = host_.files().kind("/dev/vfio/" + group.substr(group.rfind('/') + 1)) != FileKind::none;
    return (now.empty() ? "none" : now == own_driver_ ? "own" : now) + ", override " + forced + (opens ? ", open" : ", closed");
  }
  void write(const std::string& file, const std::string& content) const { host_.files().write(file, content, limit); }
  void force(const std::string& driver) const { write(path("driver_override"), driver + "\n"); }
  void unbind() const { write(path("driver/unbind"), bdf_); }
  void match() const { write(probe, bdf_); }
  std::string path(const std::string& attribute) const { return "/sys/bus/pci/devices/" + bdf_ + "/" + attribute; }
  const std::string& bdf() const { return bdf_; }

 private:
  Host& host_;
  std::string bdf_;
  std::string own_driver_;
};

}  // namespace

TEST_CASE("a function goes to the driver that its override names, and back by an empty one") {
  const std::string name = GENERATE(from_range(hosts_with_a_function()));
  CAPTURE(name);
  const auto subject = open_subject(name);
  subject->host->run({{"modprobe", "vfio-pci"}, {}, limit});
  const Function function(name, *subject->host);
  REQUIRE(function.state() == "own, override (null), closed");
  function.force("vfio-pci");
  CHECK(function.state() == "own, override vfio-pci, closed");
  function.unbind();
  CHECK(function.state() == "none, override vfio-pci, closed");
  CHECK(subject->host->files().kind(function.path("driver/unbind")) == FileKind::none);
  function.match();
  CHECK(function.state() == "vfio-pci, override vfio-pci, open");
  function.match();  // bound already: nothing happens
  CHECK(function.state() == "vfio-pci, override vfio-pci, open");
  // An override that no driver has, which is no error, leaves the function without one.
  function.force("gpuplan-contract");
  function.unbind();
  function.match();
  CHECK(function.state() == "none, override gpuplan-contract, closed");
  function.force("");
  CHECK(function.state() == "none, override (null), closed");
  function.match();
  CHECK(function.state() == "own, override (null), closed");
}

TEST_CASE("a driver refuses to let go of a function that it does not have") {
  const std::string name = GENERATE(from_range(hosts_with_a_function()));
  CAPTURE(name);
  const auto subject = open_subject(name);
  subject->host->run({{"modprobe", "vfio-pci"}, {}, limit});
  const Function function(name, *subject->host);
  const HostError error = host_error_of([&] { function.write("/sys/bus/pci/drivers/vfio-pci/unbind", function.bdf()); });
  CHECK(error.kind() == HostError::Kind::not_found);
  CHECK_THAT(error.what(), contains("no such device"));
  const HostError nobody = host_error_of([&] { function.write(probe, "0000:ff:1f.7"); });
  CHECK(nobody.kind() == HostError::Kind::not_found);
  CHECK_THAT(nobody.what(), contains("no such device"));
  CHECK(function.state() == "own, override (null), closed");
}
