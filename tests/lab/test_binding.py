"""GPUs really change drivers, and really come back."""

from case import LabCase, targets, variant
from lab import BOARD_A, BOARD_B, GPU_A, GPU_B, GPU_C


class Binding(LabCase):
    def test_apply_twice_then_destroy(self):
        name = self.write_spec({"worker-1": [GPU_A], "worker-2": [GPU_C]})
        first = self.run_gpuplan("apply", name, "--yes", *targets(GPU_A, GPU_C))
        self.assertIn("2 created", first.output)
        self.assert_bound(GPU_A, GPU_C)
        self.assert_kept_awake(GPU_A, GPU_C)
        self.assert_returned(GPU_B)  # never taken

        second = self.run_gpuplan("apply", name, "--yes", *targets(GPU_A, GPU_C))
        self.assertIn("No changes.", second.output)
        self.run_gpuplan("plan", name, "--detailed-exitcode", *targets(GPU_A, GPU_C))

        self.run_gpuplan("destroy", "--cluster", "lab", "--yes")
        self.assert_returned(GPU_A, GPU_C)
        self.assert_clean()

    def test_service_that_may_be_stopped_comes_back(self):
        self.lab.write("/etc/systemd/system/lab-client.service", "[Service]\nExecStart=/bin/sh -c "
                       f"'exec sleep infinity </dev/nvidia{self.lab.nvidia_minor(GPU_B)}'\n")
        self.addCleanup(self.lab.shell, "systemctl stop lab-client; rm /etc/systemd/system/lab-client.service; "
                                        "systemctl daemon-reload")
        self.lab.output("systemctl daemon-reload && systemctl start lab-client")
        name = self.write_spec({"worker-1": [GPU_B]}, host={"stop_services": ["lab-client.service"]})
        self.run_gpuplan("apply", name, "--yes", *targets(GPU_B))
        self.assert_bound(GPU_B)
        self.assertEqual(self.lab.shell("systemctl is-active lab-client").output.strip(), "inactive")
        self.run_gpuplan("destroy", "--cluster", "lab", "--yes")
        self.assert_returned(GPU_B)
        self.assertEqual(self.lab.output("systemctl is-active lab-client"), "active")

    @variant("default")
    def test_cards_of_one_group_for_one_worker(self):
        name = self.write_spec({"worker-1": [BOARD_A, BOARD_B]})
        self.run_gpuplan("apply", name, "--yes", *targets(BOARD_A, BOARD_B))
        self.assert_bound(BOARD_A, BOARD_B)
        self.run_gpuplan("destroy", "--cluster", "lab", "--yes")
        self.assert_clean()
