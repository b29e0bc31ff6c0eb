"""The lab itself is what the other tests take it for."""

from case import LabCase
from lab import BOARD_A, BOARD_B, BOOT_DISPLAY, BRIDGED, GPU_A, GPU_B, GPU_C, GPU_D, audio_of


class Machine(LabCase):
    def members(self, *functions):
        listed = self.lab.output(" ; ".join(f"echo $(ls /sys/bus/pci/devices/{function}/iommu_group/devices)"
                                            for function in functions))
        return [set(line.split()) for line in listed.splitlines()]

    def test_groups_are_those_of_cards_board_and_bridge(self):
        gpus = (GPU_A, GPU_B, GPU_C, GPU_D)
        self.assertEqual(self.members(*gpus), [{gpu, audio_of(gpu)} for gpu in gpus])
        board, bridge = self.members(BOARD_A, BRIDGED)
        self.assertLessEqual({BOARD_A, audio_of(BOARD_A), BOARD_B, audio_of(BOARD_B)}, board)
        self.assertEqual(len(bridge), 4)

    def test_cards_look_like_nvidias_each_on_its_socket(self):
        nodes = {GPU_A: "0", GPU_B: "0", GPU_C: "1", GPU_D: "1"}
        for gpu, node in nodes.items():
            shown = self.lab.output(f"cd /sys/bus/pci/devices/{gpu} && cat vendor device class numa_node")
            self.assertEqual(shown.split(), ["0x10de", "0x2684", "0x030000", node])
        self.assert_returned(*nodes, BOARD_A, BOARD_B)
        self.assertEqual(self.lab.functions(BRIDGED)[0].driver, "bochs-drm")

    def test_one_display_is_the_one_the_machine_booted_with(self):
        self.assertEqual(self.lab.output(f"cat /sys/bus/pci/devices/{BOOT_DISPLAY}/boot_vga"), "1")

    def test_virtual_machines_can_be_accelerated(self):
        self.lab.output("test -c /dev/kvm")
        self.assertIn("<domain type='kvm'/>", self.lab.output("virsh capabilities"))

    def test_vfio_lets_a_device_sleep_and_ends_that_when_it_lets_go(self):
        """What the simulated host says of power/control."""
        said = self.lab.output(f"""modprobe vfio-pci; cd /sys/bus/pci/devices/{BRIDGED}
            echo vfio-pci >driver_override; echo {BRIDGED} >driver/unbind; echo {BRIDGED} >/sys/bus/pci/drivers_probe
            cat power/control; echo on >power/control; cat power/control; echo auto >power/control
            echo {BRIDGED} >driver/unbind; cat power/control
            echo >driver_override; echo {BRIDGED} >/sys/bus/pci/drivers_probe; cat power/control""")
        self.assertEqual(said.split(), ["auto", "on", "on", "on"])

    def test_the_driver_locks_a_gpu_only_while_nobody_has_it_open(self):
        lock = f"/proc/driver/nvidia/gpus/{GPU_A}/unbindLock"
        device = f"/dev/nvidia{self.lab.nvidia_minor(GPU_A)}"
        self.assertEqual(self.lab.output(f"exec 3<{device}; echo 1 >{lock}; cat {lock}"), "0")
        self.assertEqual(self.lab.output(f"echo 1 >{lock}; cat {lock}; (: <{device}) 2>/dev/null || echo refused"),
                         "1\nrefused")
        self.assertEqual(self.lab.output(f"echo 0 >{lock}; cat {lock}; (: <{device}) && echo open"), "0\nopen")
