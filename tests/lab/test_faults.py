"""What can go wrong under gpuplan's hands: the next plan tells the truth, and apply or rollback ends the job."""

import time

from case import LabCase, targets, variant
from lab import GPU_A, GPU_B, GPU_C, GPU_D


class HungDriver(LabCase):
    """The host's driver never comes back from remove(): only a reboot helps."""

    restores = True

    @variant("default")
    def test_apply_returns_names_the_gpu_and_rollback_returns_the_others(self):
        name = self.write_spec({"worker-1": [GPU_B], "worker-2": [GPU_C]}, timeouts={"unbind": "10s"})
        self.lab.control("fault", "hang", GPU_C)
        self.addCleanup(self.lab.control, "fault", "wake", GPU_C)
        started = time.monotonic()
        result = self.run_gpuplan("apply", name, "--yes", *targets(GPU_B, GPU_C), status=3)
        self.assertLess(time.monotonic() - started, 120)
        self.assertRegex(result.output, f"{GPU_C} hangs: .*; nothing can end that, so reboot this host")
        # The kernel really is stuck: a write of a file access child, in uninterruptible sleep.
        self.assertRegex(self.lab.output("ps -e -o stat=,args="), r"(?m)^D.*gpuplan")
        self.assert_bound(GPU_B)

        check = self.run_gpuplan("check", name, status=6)
        self.assertIn(f"{GPU_C} hangs", check.output)

        rollback = self.run_gpuplan("rollback", "--cluster", "lab", "--yes", status=7)
        self.assertIn(GPU_C, rollback.output)
        self.assert_returned(GPU_B)

    @variant("default")
    def test_gpuplan_killed_beside_a_helper_that_hangs_keeps_no_lock(self):
        name = self.write_spec({"worker-1": [GPU_B], "worker-2": [GPU_C]}, timeouts={"unbind": "10m"})
        self.lab.control("fault", "hang", GPU_C)
        self.addCleanup(self.lab.control, "fault", "wake", GPU_C)
        self.lab.start("lab-apply", f"gpuplan apply {name} --yes --parallelism 1 " + " ".join(targets(GPU_B, GPU_C)))
        self.lab.output("for i in $(seq 300); do ps -e -o stat=,args= | grep -q '^D.*gpuplan' && break; sleep 0.1; done; "
                        "systemctl kill --signal KILL lab-apply")
        processes = self.lab.output("ps -e -o stat=,args= | grep gpuplan")
        self.assertRegex(processes, r"(?m)^D.*gpuplan")
        self.assertNotIn("gpuplan apply", processes)
        self.assertIn("killed", self.run_gpuplan("history", "--cluster", "lab").output)
        rollback = self.run_gpuplan("rollback", "--cluster", "lab", "--yes", status=7)
        self.assertIn(GPU_C, rollback.output)
        self.assert_returned(GPU_B)


class Killed(LabCase):
    @variant("default")
    def test_gpuplan_killed_in_the_middle_of_a_bind(self):
        name = self.write_spec({"worker-1": [GPU_A, GPU_B], "worker-2": [GPU_C, GPU_D]})
        self.lab.start("lab-apply", f"gpuplan apply {name} --yes " + " ".join(targets(GPU_A, GPU_B, GPU_C, GPU_D)))
        # As soon as the first function has changed hands.
        self.lab.output("for i in $(seq 600); do grep -qs vfio-pci /sys/bus/pci/devices/*/driver_override && break; "
                        "sleep 0.02; done; systemctl kill --signal KILL lab-apply")
        self.lab.shell("while systemctl is-active -q lab-apply; do sleep 0.1; done")
        plan = self.run_gpuplan("plan", name, "--detailed-exitcode", *targets(GPU_A, GPU_B, GPU_C, GPU_D), status=2)
        for gpu in (GPU_A, GPU_B, GPU_C, GPU_D):
            if self.lab.functions(gpu)[0].driver != "vfio-pci":
                self.assertRegex(plan.output, rf"[+~] vfio-bind/{gpu}\n")
        self.run_gpuplan("rollback", "--cluster", "lab", "--yes")
        self.assert_returned(GPU_A, GPU_B, GPU_C, GPU_D)

    @variant("default")
    def test_libvirtd_killed(self):
        name = self.write_spec({"worker-1": [GPU_A]})
        self.lab.control("fault", "kill-libvirtd")
        # Its socket starts it again.
        self.assertRegex(self.run_gpuplan("check", name).output, r"pass +libvirt +reachable")


class Rebooted(LabCase):
    restores = True

    @variant("full")
    def test_plan_shows_lost_bindings_and_apply_repairs_them(self):
        name = self.write_spec({"worker-1": [GPU_A]})
        self.run_gpuplan("apply", name, "--yes", *targets(GPU_A))
        self.lab.control("fault", "reboot")
        self.assert_returned(GPU_A)
        plan = self.run_gpuplan("plan", name, "--detailed-exitcode", *targets(GPU_A), status=2)
        self.assertRegex(plan.output, rf"\+ vfio-bind/{GPU_A}\n +driver: nvidia, snd_hda_intel → vfio-pci")
        self.run_gpuplan("apply", name, "--yes", *targets(GPU_A))
        self.assert_bound(GPU_A)
        self.run_gpuplan("destroy", "--cluster", "lab", "--yes")
        self.assert_returned(GPU_A)
        self.assert_clean()

    def assert_binding_lasts(self, kept_in, kept_awake=False):
        name = self.write_spec({"worker-1": [GPU_A]}, host={"persist_bindings": True})
        self.run_gpuplan("apply", name, "--yes", *targets(GPU_A))
        self.assertNotEqual(self.lab.output(kept_in), "")
        self.lab.control("fault", "reboot")
        self.assert_bound(GPU_A)
        if kept_awake:
            self.assert_kept_awake(GPU_A)
        self.assert_returned(GPU_B)  # not taken, before or after
        self.run_gpuplan("plan", name, "--detailed-exitcode", *targets(GPU_A))
        self.run_gpuplan("destroy", "--cluster", "lab", "--yes")
        self.assert_returned(GPU_A)
        self.assertEqual(self.lab.output(kept_in), "")
        self.assert_clean()

    @variant("default")
    def test_bindings_that_are_to_last_are_there_after_a_reboot(self):
        self.lab.output("mv /usr/sbin/driverctl /usr/sbin/driverctl.away")
        self.addCleanup(self.lab.shell, "mv /usr/sbin/driverctl.away /usr/sbin/driverctl")
        self.assert_binding_lasts("find /etc/systemd/system -name 'gpuplan-*'", kept_awake=True)

    @variant("full")
    def test_bindings_that_driverctl_keeps_are_there_after_a_reboot(self):
        self.assert_binding_lasts("find /etc/driverctl.d -type f")


class Booted(LabCase):
    """A server whose kernel does not use its IOMMU, and whose GRUB is to make it do so."""

    restores = True

    def kernel_arguments(self):
        """Of the menu's first entry."""
        return self.lab.output(r"sed -n 's,^[[:space:]]*linux[[:space:]]*/boot/vmlinuz[^ ]* ,,p' /boot/grub/grub.cfg | head -n 1")

    @variant("full")
    def test_grub_is_set_and_after_a_reboot_everything_is_done_and_put_back(self):
        self.lab.output("update-grub")
        menu = self.lab.output("cat /boot/grub/grub.cfg")
        arguments = self.kernel_arguments()
        self.assertNotIn("iommu", arguments)
        # Spelled so that nothing but the kernel takes it for what it is: as one whose default is "off", which Debian's is not.
        self.lab.control("fault", "boot", f"{arguments} intel_iommu=sp_off,off")

        name = self.write_spec({"worker-1": [GPU_A]})
        self.assertIn("configure_boot", self.run_gpuplan("check", name, status=1).output)
        name = self.write_spec({"worker-1": [GPU_A]}, host={"configure_boot": True})
        apply = self.run_gpuplan("apply", name, "--yes", *targets(GPU_A), status=6)
        self.assertIn("reboot", apply.output)
        self.assertTrue(self.kernel_arguments().endswith("intel_iommu=on iommu=pt quiet"), self.kernel_arguments())
        self.assertNotIn("vfio-pci", self.lab.functions(GPU_A)[0].driver)

        self.lab.control("fault", "boot", self.kernel_arguments())
        self.run_gpuplan("apply", name, "--yes", *targets(GPU_A))
        self.assert_bound(GPU_A)
        self.run_gpuplan("destroy", "--cluster", "lab", "--yes")
        self.assert_returned(GPU_A)
        self.assertEqual(self.lab.output("cat /boot/grub/grub.cfg"), menu)
        self.assertEqual(self.lab.output("find /etc/default/grub.d -name '*gpuplan*'"), "")
