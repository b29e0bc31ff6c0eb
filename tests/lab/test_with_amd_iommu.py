"""A server with AMD's IOMMU, and a VM with UEFI that gets a GPU from it."""

from case import LabCase, variant
from lab import GPU_A
from test_whole_spec import NO_KUBERNETES, log_in

NODE = "lab-worker-1"


class AmdIommu(LabCase):
    restores = True

    def setUp(self):
        self.lab.control("down")
        self.lab.control("up", "--iommu", "amd")
        self.lab.control("deploy")
        type(self).clean_state = self.lab.state()  # another machine than that of the other cases

    # Without KVM, which such firmware can stop here; so its processor is emulated twice.
    @variant("full")
    def test_vm_with_uefi_boots_with_its_gpu_and_goes_without_a_trace(self):
        name = self.write_spec({"worker-1": [GPU_A]}, host={"accel": "tcg", "memory_reserve": 512},
                               vm_resources={"worker": {"memory": 1024, "cpus": 1, "disk": 10, "firmware": "efi"}},
                               timeouts={"guest_boot": "30m"}, **NO_KUBERNETES)
        checked = self.run_gpuplan("check", name).output
        self.assertIn("AMD-Vi is on (table IVRS)", checked)
        self.assertIn("(host.accel: tcg) have 40, the IOMMU 64", checked)
        self.run_gpuplan("apply", name, "--yes", limit=2000)
        self.assert_bound(GPU_A)
        self.assertEqual(log_in(self.lab, NODE, "hostname; ls -d /sys/firmware/efi").split(), [NODE, "/sys/firmware/efi"])
        console = self.lab.output(f"cat /var/log/libvirt/qemu/{NODE}-console.log")
        # The register is read through the GPU's BAR; its value is that of QEMU's display.
        self.assertRegex(console, r"lab-guest: display 0000:\w\w:00\.0 10de:2684 register 0xB0C5")
        self.assertRegex(console, r"lab-guest: audio 0000:\w\w:00\.1 10de:22ba")

        self.assertIn("No changes.", self.run_gpuplan("apply", name, "--yes", limit=600).output)
        self.run_gpuplan("destroy", "--cluster", "lab", "--yes", limit=900)
        self.assert_returned(GPU_A)
        self.assert_clean()
