// Whether the VMs fit the host's memory.
#include "iommu_check_rig.h"

using namespace gpuplan;
using namespace gpuplan::test;

TEST_CASE("iommu-check: the VMs must fit the memory, and the numbers are named") {
  CheckedHost host;
  host.host.contents["/proc/meminfo"] = "MemTotal:       90000000 kB\n";
  is_result(host.check("memory-size"), CheckStatus::fail,
            "73728 MiB of VMs + 816 MiB overhead + 16384 MiB host.memory_reserve = 90928 MiB; this host has 87890 MiB",
            "passed-through VMs cannot share memory: take 3038 MiB out of vm_resources");
  host.spec.workers[0].resources.memory_mib = 16384;
  CHECK(host.check("memory-size").status == CheckStatus::pass);
  host.host.contents["/proc/meminfo"] = "MemTotal:       62000000 kB\n";  // below 64 GB
  CHECK(host.check("memory-size").status == CheckStatus::warn);
  REQUIRE_THAT(host.check("memory-size").found, contains("; less than 64 GB is tight"));
  host.host.contents["/proc/meminfo"] = "MemTotal:       65600000 kB\n";  // a 64 GiB machine shows this much
  CHECK(host.check("memory-size").status == CheckStatus::pass);
}

TEST_CASE("iommu-check: memory that others have is not there for the VMs") {
  CheckedHost host;
  host.host.contents["/proc/meminfo"] = "MemTotal:       100000000 kB\n";
  CHECK(host.check("memory-size").status == CheckStatus::pass);
  const std::string own_share = "73728 MiB of VMs + 816 MiB overhead + 16384 MiB host.memory_reserve";
  SECTION("a running VM of somebody else") {
    host.add_vm("web", "", "none", 8192);
    is_result(host.check("memory-size"), CheckStatus::fail,
              own_share + " + 8192 MiB of VMs that are not of this cluster (web) = 99120 MiB; this host has 97656 MiB",
              "passed-through VMs cannot share memory: take 1464 MiB out of vm_resources");
    host.host.domain_states.back().power = PowerState::off;
    CHECK(host.check("memory-size").status == CheckStatus::pass);
  }
  SECTION("this cluster's own VM, which the spec has counted") {
    host.add_vm("gpu-worker-1", "gpu", "none", 65536);
    CHECK(host.check("memory-size").status == CheckStatus::pass);
  }
  SECTION("pages that are reserved, for whichever VMs") {
    const std::string node = "/sys/devices/system/node/node0/hugepages/hugepages-";
    host.host.contents[node + "1048576kB/nr_hugepages"] = "7\n";
    host.host.contents[node + "2048kB/nr_hugepages"] = "512\n";
    host.add_vm("web", "", "1G", 7168);
    is_result(host.check("memory-size"), CheckStatus::fail,
              own_share + " + 8192 MiB reserved for huge pages = 99120 MiB; this host has 97656 MiB",
              "passed-through VMs cannot share memory: take 1464 MiB out of vm_resources");
  }
  SECTION("a VM in huge pages needs none of the rest") {
    host.host.contents["/sys/devices/system/node/node0/hugepages/hugepages-1048576kB/nr_hugepages"] = "64\n";
    host.spec.workers[0].resources.hugepages = "1G";
    CHECK(host.check("memory-size").found ==
          "8192 MiB of VMs + 816 MiB overhead + 16384 MiB host.memory_reserve + 65536 MiB reserved for huge pages = 90928 MiB; this "
          "host has 97656 MiB");
  }
}

TEST_CASE("iommu-check: huge pages are counted when they are asked for") {
  CheckedHost host;
  host.spec.workers[0].resources.hugepages = "1G";
  for (const char* node : {"node0", "node1"}) {
    host.host.contents[std::string("/sys/devices/system/node/") + node + "/hugepages/hugepages-1048576kB/free_hugepages"] = "20\n";
  }
  is_result(host.check("hugepages"), CheckStatus::fail,
            "the VMs need 65536 MiB in huge pages of 1G; 40960 MiB are free",
            "reserve 24 more: with hugepagesz=1G hugepages=64 on the kernel command line and a reboot, or set hugepages: none");
  host.add_vm("gpu-worker-1", "gpu", "1G", 65536);
  CHECK(host.check("hugepages").status == CheckStatus::pass);
  CHECK(host.check("hugepages").found ==
        "the VMs need 65536 MiB in huge pages of 1G; 40960 MiB are free and 65536 MiB theirs already");
}

TEST_CASE("iommu-check: huge pages must lie on the node of the GPUs that the VM is bound to") {
  CheckedHost host;
  host.spec.workers[0].resources.hugepages = "1G";
  const std::string nodes = "/sys/devices/system/node/node";
  const std::string file = "/hugepages/hugepages-1048576kB/free_hugepages";
  host.host.contents[nodes + "0" + file] = "20\n";
  host.host.contents[nodes + "1" + file] = "64\n";  // enough, but the GPU is on node 0
  is_result(host.check("hugepages"), CheckStatus::fail,
            "the VMs need 65536 MiB in huge pages of 1G; 86016 MiB are free, but the VMs whose GPUs are on NUMA node 0 need "
            "65536 MiB there, where 20480 MiB are free",
            "reserve 44 more on node 0, early after a boot: `f=/sys/devices/system/node/node0/hugepages/hugepages-1048576kB/"
            "nr_hugepages; echo $(($(cat $f) + 44)) >$f`; or set numa: none or hugepages: none");
  SECTION("a VM without a node takes them anywhere") {
    host.spec.workers[0].resources.numa = "none";
    CHECK(host.check("hugepages").status == CheckStatus::pass);
  }
  SECTION("enough on that node") {
    host.host.contents[nodes + "0" + file] = "64\n";
    host.host.contents[nodes + "1" + file] = "0\n";
    CHECK(host.check("hugepages").status == CheckStatus::pass);
  }
}
