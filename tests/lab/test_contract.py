"""The contract of the Host ports, and what libvirt's test driver cannot do, on the lab's kernel and libvirt."""

from case import LabCase, variant
from lab import GPU_D

LIBVIRTD = ("GPUPLAN_TEST_LIBVIRT_URI=qemu:///system GPUPLAN_TEST_POOL_PATH=/var/lib/gpuplan-test "
            "GPUPLAN_TEST_LIBVIRT_RESTART='systemctl restart libvirtd'")
# The real half; a function that is nobody's but the contract's.
REAL = f"GPUPLAN_TEST_HOSTS=real GPUPLAN_TEST_PCI={GPU_D}"


class Contract(LabCase):
    """scripts/lab put the test programs where they were built: they have paths of this tree in them."""

    def run_program(self, name, *arguments, environment="", limit=400):
        program = f"{self.lab.root}/build/release/tests/{name}"
        result = self.lab.shell(f"cd {self.lab.root} && {environment} {program} {' '.join(arguments)}", limit=limit)
        self.assertEqual(result.status, 0, str(result)[-6000:])
        self.assertRegex(result.output, r"All tests passed \(\d+ assertions in [1-9]\d* test cases\)")

    @variant("default")
    def test_contract_of_the_ports(self):
        # A pool's directory outlives it, and so does libvirt's own for what starts by itself.
        self.addCleanup(self.lab.shell, "rm -rf /var/lib/gpuplan-contract; rmdir /etc/libvirt/qemu/autostart")
        self.run_program("contract", environment=f"{LIBVIRTD} {REAL}")

    @variant("default")
    def test_storage_of_a_real_libvirtd(self):
        self.addCleanup(self.lab.shell, "rm -rf /var/lib/gpuplan-test")
        self.run_program("unit_host_libvirt", "'[libvirtd]'", environment=LIBVIRTD)
