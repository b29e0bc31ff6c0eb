"""What gpuplan says of a server that it has not been told anything about, beside what sysfs says."""

import json

from case import LabCase
from lab import ALL_GPUS, BOARD_A, BOARD_B, BOOT_DISPLAY, WORK


class Discover(LabCase):
    def setUp(self):
        self.lab.output(f"mkdir -p {WORK}")

    def test_discover_says_what_sysfs_says(self):
        found = {item["address"]: item for item in json.loads(self.run_gpuplan("discover", "--json").output)["functions"]}
        listed = self.lab.output("cd /sys/bus/pci/devices; for f in *; do echo $f $(basename $(readlink $f/driver) .) "
                                 "$(basename $(readlink $f/iommu_group) .) $(cat $f/numa_node $f/class $f/vendor); done")
        said = {}
        for line in listed.splitlines():
            address, driver, group, node, kind, vendor = line.split()
            # AMD's IOMMU is a function itself, in no group.
            said[address] = (driver.strip("."), None if group == "." else int(group), int(node), int(kind, 16), vendor[2:])
        self.assertEqual(set(found), set(said))
        for address, (driver, group, node, kind, vendor) in said.items():
            item = found[address]
            self.assertEqual((item["driver"], item["iommu_group"], item["class_code"], item["id"][:4]),
                             (driver, group, kind, vendor), address)
            if node >= 0:
                self.assertEqual(item["numa_node"], node, address)
        self.assertTrue(found[BOOT_DISPLAY]["boot_display"])

    def test_init_proposes_a_spec_that_passes_for_this_server(self):
        path = f"{WORK}/proposed.yaml"
        self.run_gpuplan("init", "--workers", "2", "--out", path)
        self.addCleanup(self.lab.output, f"rm {path}")
        self.run_gpuplan("validate", path)
        proposed = self.lab.output(f"cat {path}")
        gpus = [gpu for gpu in ALL_GPUS if gpu in proposed]
        self.assertEqual(gpus, list(ALL_GPUS))
        # Cards that share a group are not parted.
        checked = self.lab.gpuplan("check", path).output
        for problem in ("also holds", "for lab-worker", "is in use"):
            self.assertNotIn(problem, checked)
        self.assertEqual(BOARD_A in proposed, BOARD_B in proposed)
