"""A recorded server stands in for the real one."""

import json

from case import LabCase, variant
from lab import GPU_A, GPU_B, GPU_C, GPU_D, WORK


class Record(LabCase):
    def changes(self, *arguments):
        plan = json.loads(self.run_gpuplan("plan", *arguments, "--json").output)
        # Where a value was read differs: the twin has no libvirt to ask.
        return {change["address"]: (change["action"], [(item["name"], item["before"], item["after"])
                                                       for item in change["attributes"]])
                for change in plan["changes"]}

    @variant("full")
    def test_plan_of_the_twin_is_that_of_the_server(self):
        name = self.write_spec({"worker-1": [GPU_A, GPU_B], "worker-2": [GPU_C, GPU_D]})
        self.run_gpuplan("record", "--out", "twin.yaml")
        here = self.changes(name)
        self.assertIn(f"vfio-bind/{GPU_A}", here)
        self.assertEqual(self.changes(name, "--host", f"sim:{WORK}/twin.yaml", "--state-dir", f"{WORK}/twin"), here)
