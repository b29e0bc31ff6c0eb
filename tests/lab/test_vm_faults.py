"""What goes wrong while gpuplan's own VMs are made or run: the next plan tells the truth, and apply ends the job."""

import re

from case import LabCase, variant
from lab import GPU_A, GPU_C

NO_KUBERNETES = {"kubernetes": {"enabled": False}}
WORKER = "lab-worker-1"


class OneWorker(LabCase):
    """One worker with one GPU, which takes about a minute and a half to boot."""

    def setUp(self):
        self.name = self.write_spec({"worker-1": [GPU_A]}, **NO_KUBERNETES)

    def apply_until_the_worker_runs(self):
        """An apply in the background, caught while the VM that it has made boots."""
        self.lab.start("lab-apply", f"gpuplan apply {self.name} --yes")
        self.lab.output(f"for i in $(seq 600); do virsh domstate {WORKER} 2>/dev/null | grep -q running && exit; "
                        "sleep 0.2; done; exit 1")

    def wait_for_apply(self):
        self.lab.shell("while systemctl is-active -q lab-apply; do sleep 0.5; done", limit=600)

    def destroy(self):
        self.run_gpuplan("destroy", "--cluster", "lab", "--yes", limit=900)
        self.assert_returned(GPU_A)
        self.assert_clean()

    def roll_back(self):
        undone = self.run_gpuplan("rollback", "--cluster", "lab", "--yes", limit=600)
        self.assertIn("are as they were before run", undone.output)
        self.assert_returned(GPU_A)
        self.assert_clean()


class VmFaults(OneWorker):
    """Programs that are killed beside the VM, and the VM itself."""

    @variant("full")
    def test_gpuplan_killed_while_its_vm_boots(self):
        self.apply_until_the_worker_runs()
        self.lab.output("systemctl kill --signal KILL lab-apply")
        self.wait_for_apply()
        status = self.run_gpuplan("status", "--cluster", "lab")
        self.assertIn("apply, killed", status.output)
        # What is to be done depends on when it was killed, that it was does not.
        plan = self.run_gpuplan("plan", self.name)
        self.assertRegex(plan.output + plan.errors, "has an open run: [0-9]+ apply, killed")
        self.run_gpuplan("apply", self.name, "--yes", limit=900)
        self.run_gpuplan("plan", self.name, "--detailed-exitcode")
        self.destroy()

    @variant("full")
    def test_gpuplan_killed_while_its_vm_boots_is_rolled_back(self):
        self.apply_until_the_worker_runs()
        self.lab.output("systemctl kill --signal KILL lab-apply")
        self.wait_for_apply()
        self.roll_back()

    @variant("full")
    def test_a_guest_that_lets_nobody_in_shows_its_console(self):
        rule = "OUTPUT -p tcp --dport 22 -j REJECT"
        name = self.write_spec({"worker-1": [GPU_A]}, timeouts={"guest_boot": "150s"}, **NO_KUBERNETES)
        self.lab.output(f"iptables -I {rule}")
        try:
            failed = self.run_gpuplan("apply", name, "--yes", status=3, limit=900)
        finally:
            self.lab.output(f"iptables -D {rule}")
        said = failed.output + failed.errors
        self.assertIn(f"for a login on {WORKER}", said)
        self.assertRegex(said, r"the end of its console follows(.*\n)+.*lab-guest: display")
        self.roll_back()

    @variant("full")
    def test_libvirtd_killed_while_a_vm_boots(self):
        self.apply_until_the_worker_runs()
        self.lab.control("fault", "kill-libvirtd")
        self.wait_for_apply()
        # Whether or not that apply outlived it, the next one ends the job, and none is needed after that.
        self.run_gpuplan("apply", self.name, "--yes", limit=900)
        self.run_gpuplan("plan", self.name, "--detailed-exitcode")
        self.destroy()

    @variant("full")
    def test_the_guest_killed_while_it_boots(self):
        self.apply_until_the_worker_runs()
        self.lab.control("fault", "kill-guest", WORKER)
        self.wait_for_apply()
        plan = self.run_gpuplan("plan", self.name, "--detailed-exitcode", status=2)
        self.assertRegex(plan.output, rf"~ vm-define/{WORKER}\n(.*\n)*? +power: .* → running")
        self.run_gpuplan("apply", self.name, "--yes", limit=900)
        self.run_gpuplan("plan", self.name, "--detailed-exitcode")
        self.destroy()

    @variant("full")
    def test_a_guest_that_died_is_started_again_and_changed_in_place(self):
        self.run_gpuplan("apply", self.name, "--yes", limit=900)
        uuid = self.lab.output(f"virsh domuuid {WORKER}").strip()
        self.lab.control("fault", "kill-guest", WORKER)
        self.lab.output(f"for i in $(seq 100); do virsh domstate {WORKER} | grep -q running || exit 0; sleep 0.1; done; exit 1")
        plan = self.run_gpuplan("plan", self.name, "--detailed-exitcode", status=2)
        self.assertRegex(plan.output, rf"~ vm-define/{WORKER}\n(.*\n)*? +power: .* → running")
        self.run_gpuplan("apply", self.name, "--yes", limit=900)
        self.assertEqual(self.lab.output(f"virsh domstate {WORKER}").strip(), "running")

        # More memory takes a restart, and the plan says so; the domain stays the same one.
        more = self.write_spec({"worker-1": [GPU_A]}, vm_resources={"workers": {"worker-1": {"memory": 1280}}},
                               **NO_KUBERNETES)
        plan = self.run_gpuplan("plan", more, "--detailed-exitcode", status=2)
        self.assertRegex(plan.output, r"memory: 1024 → 1280 MiB")
        self.assertIn(f"{WORKER} restarts", plan.output)
        self.run_gpuplan("apply", more, "--yes", limit=900)
        self.assertEqual(self.lab.output(f"virsh domuuid {WORKER}").strip(), uuid)
        running = self.lab.output(f"virsh dumpxml {WORKER}")
        self.assertEqual(re.search(r"<memory unit='KiB'>(\d+)<", running).group(1), str(1280 * 1024))
        self.run_gpuplan("plan", more, "--detailed-exitcode")
        self.destroy()


class PowerCut(OneWorker):
    """The whole machine, in the middle of a run: what nobody has synced is gone."""

    restores = True

    def cut_during_apply(self):
        self.lab.output("sync")  # the binaries and the spec
        self.apply_until_the_worker_runs()
        self.lab.control("fault", "power-cut")
        self.assertIn("apply, killed", self.run_gpuplan("status", "--cluster", "lab").output)
        # libvirt forgets a domain that ran when the power went, and leaves its sockets.
        self.lab.output(f"rm -rf /var/lib/libvirt/qemu/domain-*-{WORKER} /var/lib/libvirt/qemu/channel/target/domain-*-{WORKER}")

    @variant("full")
    def test_rollback_puts_everything_back(self):
        self.cut_during_apply()
        self.roll_back()

    @variant("full")
    def test_apply_completes_the_job(self):
        self.cut_during_apply()
        self.run_gpuplan("apply", self.name, "--yes", limit=900)
        self.run_gpuplan("plan", self.name, "--detailed-exitcode")
        self.destroy()


class Unplugged(LabCase):
    """A card that is taken out while it changes hands."""

    restores = True

    @variant("full")
    def test_plan_tells_the_truth_and_rollback_returns_the_others(self):
        name = self.write_spec({"worker-1": [GPU_A], "worker-2": [GPU_C]}, **NO_KUBERNETES)
        self.lab.start("lab-apply", f"gpuplan apply {name} --yes")
        self.lab.output("for i in $(seq 600); do grep -qs vfio-pci /sys/bus/pci/devices/*/driver_override && break; "
                        "sleep 0.02; done")
        self.lab.control("fault", "unplug", GPU_C)
        self.lab.shell("while systemctl is-active -q lab-apply; do sleep 0.5; done", limit=900)
        plan = self.run_gpuplan("plan", name, status=1)
        self.assertIn(f"there is no PCI device {GPU_C}", plan.output + plan.errors)
        rollback = self.run_gpuplan("rollback", "--cluster", "lab", "--yes", status=7, limit=900)
        self.assertIn(GPU_C, rollback.output)
        self.assert_returned(GPU_A)
        # Put back, it has its driver again, and nothing of gpuplan's is left.
        self.lab.control("fault", "replug")
        self.run_gpuplan("destroy", "--cluster", "lab", "--yes", limit=900)
        self.assert_returned(GPU_A, GPU_C)
        self.assert_same(*(self.without_groups_of(GPU_C, state) for state in (self.clean_state, self.lab.state())))

    @staticmethod
    def without_groups_of(gpu, state):
        """The kernel numbers the groups of what comes back anew."""
        return [line for line in state if not (line.startswith(f"pci /sys/bus/pci/devices/{gpu[:-1]}") and "iommu_group" in line)]
