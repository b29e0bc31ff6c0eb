"""The emulated server: two sockets with two cards each, a consumer board, a bridge, a boot display."""

MEMORY_MIB = 6144

# Each card is a display with an audio function, made to look like NVIDIA's.
CARDS = {
    "socket0-a": "0000:41:00.0",
    "socket0-b": "0000:42:00.0",
    "socket1-a": "0000:81:00.0",
    "socket1-b": "0000:82:00.0",
    "board-a": "0000:01:00.0",
    "board-b": "0000:02:00.0",
}


# Without codecs: these share an interrupt line, and with them it stormed in one boot of ten.
def _card(name, bus):
    return [
        "-device", f"bochs-display,id={name},bus={bus},addr=0,multifunction=on,romfile=",
        "-device", f"intel-hda,id={name}-audio,bus={bus},addr=0.1",
    ]


def _sockets():
    """Cards behind root ports of their own below a root complex of each socket: one IOMMU group per card."""
    arguments = []
    for socket, first_bus in ((0, 0x40), (1, 0x80)):
        arguments += ["-device", f"pxb-pcie,id=socket{socket},bus=pcie.0,addr={8 + socket},"
                                 f"bus_nr={first_bus},numa_node={socket}"]
        for index, letter in enumerate("ab"):
            port = f"port{socket}{letter}"
            arguments += ["-device", f"pcie-root-port,id={port},bus=socket{socket},addr={index},"
                                     f"chassis={10 * (socket + 1) + index}"]
            arguments += _card(f"socket{socket}-{letter}", port)
    return arguments


def _consumer_board():
    """Two cards behind ports without ACS: one group holds both."""
    arguments = []
    for index, letter in enumerate("ab"):
        port = f"board-port-{letter}"
        arguments += ["-device", f"pcie-root-port,id={port},bus=pcie.0,addr=7.{index},multifunction=on,"
                                 f"disable-acs=on,chassis={index + 1}"]
        arguments += _card(f"board-{letter}", port)
    return arguments


def _bridge():
    """Conventional PCI: whatever hangs on the bridge is in its group."""
    return [
        "-device", "pcie-pci-bridge,id=bridge,bus=pcie.0,addr=0xa",
        "-device", "bochs-display,id=bridge-display,bus=bridge,addr=1,romfile=",
        "-device", "ati-vga,id=bridge-ati,bus=bridge,addr=2,romfile=",
        "-device", "edu,bus=bridge,addr=3",
    ]


# Both remap interrupts, as pass-through needs it.
IOMMUS = {
    "intel": ["-device", "intel-iommu,intremap=on,caching-mode=on,aw-bits=48"],
    "amd": ["-device", "amd-iommu,intremap=on"],
}


def arguments(iommu):
    """What makes QEMU this server, apart from its disk, kernel and network; iommu: one of IOMMUS."""
    half = MEMORY_MIB // 2
    return [
        "-machine", "q35,kernel-irqchip=split", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "EPYC",
        "-smp", "2", "-m", f"{MEMORY_MIB}M",
        "-object", f"memory-backend-ram,id=memory0,size={half}M", "-numa", "node,nodeid=0,cpus=0,memdev=memory0",
        "-object", f"memory-backend-ram,id=memory1,size={half}M", "-numa", "node,nodeid=1,cpus=1,memdev=memory1",
        "-nodefaults", "-display", "none", "-vga", "none",
        # Before the IOMMU: AMD's is a PCI device itself, and takes the first slot that is free.
        "-device", "VGA,id=boot-display,bus=pcie.0,addr=1", *IOMMUS[iommu],
        "-device", "virtio-rng-pci,bus=pcie.0,addr=5",
    ] + _consumer_board() + _bridge() + _sockets()
