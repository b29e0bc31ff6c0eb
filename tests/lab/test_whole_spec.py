"""A whole spec without Kubernetes: VMs with their GPUs that boot and let gpuplan in, and that go away again."""

from case import LabCase, variant
from lab import ALL_GPUS, GPU_A, GPU_B, GPU_C, GPU_D

WORKERS = {"worker-1": [GPU_A, GPU_B], "worker-2": [GPU_C, GPU_D]}
NO_KUBERNETES = {"kubernetes": {"enabled": False}}
KEYS = "/var/lib/gpuplan/clusters/lab/ssh"


def log_in(lab, node, command):
    """As somebody with the cluster's key would, trusting only the host key that gpuplan gave the guest."""
    address = {"lab-worker-1": "192.168.130.21", "lab-worker-2": "192.168.130.22"}[node]
    return lab.output(f"ssh -F /dev/null -i {KEYS}/id_ed25519 -o IdentitiesOnly=yes -o BatchMode=yes "
                      f"-o UserKnownHostsFile={KEYS}/{node}.known_hosts -o HostKeyAlias={node} "
                      f"-o StrictHostKeyChecking=yes root@{address} '{command}'")


class WholeSpec(LabCase):
    @variant("default")
    def test_vms_boot_with_their_gpus_and_go_without_a_trace(self):
        name = self.write_spec(WORKERS, **NO_KUBERNETES)
        for verb in ("check", "plan"):
            self.run_gpuplan(verb, name)
            self.assert_clean()
        applied = self.run_gpuplan("apply", name, "--yes", limit=1200)
        self.assertIn("6 created, 1 unchanged", applied.output)
        self.assert_bound(*ALL_GPUS)
        for node in ("lab-worker-1", "lab-worker-2"):
            self.assertEqual(self.lab.output(f"virsh domstate {node}"), "running")
            self.assertEqual(log_in(self.lab, node, "hostname"), node)
            # What the guest sees of its cards: the displays and their audio functions.
            ids = log_in(self.lab, node, "cat /sys/bus/pci/devices/*/device").split()
            self.assertEqual((ids.count("0x2684"), ids.count("0x22ba")), (2, 2), ids)
        # Secrets are root's alone, and in no log.
        self.assertEqual(self.lab.output(f"find {KEYS} -type f -not -perm 600; find {KEYS} -type d -not -perm 700"), "")
        self.assertEqual(self.lab.shell("grep -rls 'OPENSSH PRIVATE KEY' /var/log /var/lib/gpuplan/clusters/lab/journal.db*").output, "")

        again = self.run_gpuplan("apply", name, "--yes", limit=600)
        self.assertIn("No changes.", again.output)

        self.run_gpuplan("destroy", "--cluster", "lab", "--yes", limit=900)
        self.assert_returned(*ALL_GPUS)
        self.assert_clean()

    @variant("default")
    def test_a_guest_that_does_not_answer_is_rolled_back(self):
        name = self.write_spec({"worker-1": [GPU_A], "worker-2": [GPU_C]}, timeouts={"guest_boot": "5s"}, **NO_KUBERNETES)
        failed = self.run_gpuplan("apply", name, "--yes", status=3, limit=600)
        self.assertIn("waited 5s for a login on lab-worker-1", failed.output + failed.errors)
        undone = self.run_gpuplan("rollback", "--cluster", "lab", "--yes", limit=600)
        self.assertIn("are as they were before run", undone.output)
        self.assert_returned(*ALL_GPUS)
        self.assert_clean()
