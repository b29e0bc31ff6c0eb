"""VMs get the GPUs that gpuplan took from the host."""

from case import LabCase, targets, variant
from lab import GPU_A, GPU_C

DOMAIN = """<domain type='kvm'><name>{name}</name><memory unit='MiB'>320</memory><vcpu>1</vcpu>
<memoryBacking><locked/></memoryBacking>
<os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os><features><acpi/><apic/></features>
<cpu mode='host-passthrough' check='none' migratable='off'/>
<devices><controller type='usb' model='none'/><memballoon model='none'/>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/><target dev='vda' bus='virtio'/></disk>
<serial type='pty'><log file='{console}' append='off'/><target port='0'/></serial>
{hostdevs}</devices></domain>"""

HOSTDEV = """<hostdev mode='subsystem' type='pci' managed='no'><rom bar='off'/>
<source><address domain='0' bus='0x{bus}' slot='0' function='{function}'/></source>
<address type='pci' domain='0' bus='1' slot='0' function='{function}' multifunction='on'/></hostdev>"""


class Guests(LabCase):
    def start_guest(self, name, gpu):
        disk = f"/root/work/{name}.qcow2"
        hostdevs = "".join(HOSTDEV.format(bus=gpu[5:7], function=function) for function in (0, 1))
        xml = DOMAIN.format(name=name, disk=disk, console=f"/root/work/{name}.log", hostdevs=hostdevs)
        self.lab.output(f"qemu-img create -q -f qcow2 -F qcow2 -b /srv/guest.qcow2 {disk}")
        self.lab.output("virsh define /dev/stdin", xml)
        self.addCleanup(self.lab.shell, f"virsh destroy {name}; virsh undefine {name}")
        self.lab.output(f"virsh start {name}")

    def console_of(self, name, line, seconds=240):
        """What a guest has said when it has said this."""
        self.lab.shell(f"for i in $(seq {seconds}); do grep -qs '{line}' /root/work/{name}.log && break; sleep 1; done",
                       limit=seconds + 60)
        return self.lab.output(f"cat /root/work/{name}.log")

    @variant("full")
    def test_two_guests_see_their_gpus_side_by_side(self):
        name = self.write_spec({"worker-1": [GPU_A], "worker-2": [GPU_C]})
        self.run_gpuplan("apply", name, "--yes", *targets(GPU_A, GPU_C))
        guests = {"guest-1": GPU_A, "guest-2": GPU_C}
        for guest, gpu in guests.items():
            self.start_guest(guest, gpu)
        for guest in guests:
            console = self.console_of(guest, "has no seed")
            # The register is read through the GPU's BAR; its value is that of QEMU's display.
            self.assertRegex(console, r"lab-guest: display 0000:\w\w:00\.0 10de:2684 register 0xB0C5")
            self.assertRegex(console, r"lab-guest: audio 0000:\w\w:00\.1 10de:22ba")

        # What a VM of somebody else has is not taken away.
        refused = self.run_gpuplan("check", name, status=1).output
        self.assertIn(f"{GPU_A} belongs to the running VM guest-1, which gpuplan did not make", refused)

        # A guest that dies leaves its GPU with vfio-pci; libvirt calls it crashed.
        self.lab.control("fault", "kill-guest", "guest-1")
        self.assertEqual(self.lab.output("sleep 2; virsh domstate --reason guest-1").strip(), "shut off (crashed)")
        self.assert_bound(GPU_A)

        self.lab.output("virsh destroy guest-2; virsh undefine guest-1; virsh undefine guest-2")
        self.run_gpuplan("destroy", "--cluster", "lab", "--yes")
        self.assert_returned(GPU_A, GPU_C)
