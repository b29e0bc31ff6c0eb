"""What gpuplan must not touch on a real host: it says why, and changes nothing."""

from case import LabCase, targets
from lab import BOARD_A, BOARD_B, BOOT_DISPLAY, GPU_A, GPU_C, audio_of

FOREIGN_DOMAIN = """<domain type='qemu'><name>lab-worker-1</name><memory unit='MiB'>64</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"""


class Refusals(LabCase):
    def test_gpu_in_use_by_a_service(self):
        self.lab.control("fault", "hold", GPU_A)
        self.addCleanup(self.lab.shell, "systemctl stop lab-holder")
        pid = self.lab.output("systemctl show --property MainPID --value lab-holder")
        self.refuse(self.write_spec({"worker-1": [GPU_A]}),
                    f"GPU {GPU_A} is held by sleep (pid {pid}, unit lab-holder.service)",
                    "add lab-holder.service to host.stop_services, or stop it")
        self.assertEqual(self.lab.output("systemctl is-active lab-holder"), "active")

    def test_gpu_in_a_group_with_another(self):
        group = self.lab.iommu_group(BOARD_A)
        self.refuse(self.write_spec({"worker-1": [BOARD_A]}), f"IOMMU group {group} also holds {BOARD_B}",
                    audio_of(BOARD_B))

    def test_gpus_of_one_group_for_two_workers(self):
        group = self.lab.iommu_group(BOARD_A)
        self.refuse(self.write_spec({"worker-1": [BOARD_A], "worker-2": [BOARD_B]}),
                    f"IOMMU group {group} holds {BOARD_A} for lab-worker-1 and {BOARD_B} for lab-worker-2")

    def test_boot_display(self):
        self.refuse(self.write_spec({"worker-1": [BOOT_DISPLAY]}), "boot-display", BOOT_DISPLAY)

    def test_gpu_that_is_not_there(self):
        self.refuse(self.write_spec({"worker-1": ["0000:43:00.0"]}), "there is no PCI device 0000:43:00.0",
                    f"GPUs on this host: {BOARD_A} (10de:2684)", "did you mean")

    def test_bridge_that_is_not_there(self):
        self.refuse(self.write_spec({"worker-1": [GPU_A]}, network={"mode": "bridge", "bridge": "br-none"}), "br-none")

    def test_memory_that_does_not_fit(self):
        self.refuse(self.write_spec({"worker-1": [GPU_A]}, vm_resources={"workers": {"worker-1": {"memory": 65536}}}),
                    "memory-size", "MiB overhead")

    def test_domain_of_that_name_made_by_somebody_else(self):
        self.lab.output("virsh define /dev/stdin", FOREIGN_DOMAIN)
        self.addCleanup(self.lab.output, "virsh undefine lab-worker-1")
        self.refuse(self.write_spec({"worker-1": [GPU_A]}), "a domain called lab-worker-1 exists that gpuplan did not make")

    def test_plan_of_a_user_without_rights_says_what_it_could_not_read(self):
        name = self.write_spec({"worker-1": [GPU_A], "worker-2": [GPU_C]})
        result = self.run_gpuplan("plan", name, user="somebody", status=1)
        said = result.output + result.errors
        self.assertIn("cannot talk to libvirt at qemu:///system", said)
        self.assertIn("run gpuplan as root, or as a member of the group libvirt", said)
        self.assertRegex(said, r"the open files of \d+ processes may not be read")

    def test_plan_of_a_user_who_may_use_libvirt_is_complete(self):
        name = self.write_spec({"worker-1": [GPU_A], "worker-2": [GPU_C]})
        result = self.run_gpuplan("plan", name, user="vmadmin")
        self.assertIn(f"+ vfio-bind/{GPU_A}", result.output)
        self.assertIn("+ vm-define/lab-worker-2", result.output)
        self.assertRegex(result.output + result.errors, r"the open files of \d+ processes may not be read")

    def test_apply_of_a_user_who_is_not_root_changes_nothing(self):
        self.addCleanup(self.lab.shell, "rm -rf /home/vmadmin/.local")
        self.lab.output("modprobe vfio-pci")
        name = self.write_spec({"worker-1": [GPU_A]})
        result = self.run_gpuplan("apply", name, "--yes", *targets(GPU_A), user="vmadmin", status=1)
        self.assertIn("only root can move a GPU from one driver to another", result.output + result.errors)
        self.assert_returned(GPU_A)
