#!/usr/bin/env python3
"""Starts and controls the QEMU process that is the lab. Used by scripts/lab.

  machine.py start RUN IMAGE IOMMU   RUN: directory of the running lab; IMAGE: the stage with disk, kernel and
                                     initrd; IOMMU: intel or amd
  machine.py stop RUN
  machine.py alive RUN           exit status 0 if it runs
  machine.py snapshot RUN NAME
  machine.py restore RUN NAME
  machine.py reset RUN           as the reset button does
"""

import os
import signal
import socket
import subprocess
import sys
import time

import identity
import topology
from qmp import Qmp, QmpError


def fail(text):
    sys.exit(f"lab: {text}")


def connect(run):
    try:
        return Qmp(f"{run}/qmp")
    except (OSError, QmpError) as error:
        fail(f"the lab does not run ({error}); `scripts/lab up` starts it")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command_line(run, image, iommu, port):
    kernel = "root=/dev/vda console=ttyS0 intel_iommu=on iommu=pt net.ifnames=0 quiet loglevel=4 mitigations=off transparent_hugepage=always"
    return ["qemu-system-x86_64", "-name", "gpuplan-lab", "-S", "-pidfile", f"{run}/pid"] + topology.arguments(iommu) + [
        "-kernel", f"{image}/vmlinuz", "-initrd", f"{image}/initrd.gz", "-append", kernel,
        "-drive", f"file={run}/disk.qcow2,if=none,id=disk,cache=unsafe,discard=unmap",
        "-device", "virtio-blk-pci,drive=disk,bus=pcie.0,addr=3",
        "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22",
        "-device", "virtio-net-pci,netdev=net,bus=pcie.0,addr=4,romfile=",
        "-chardev", f"file,id=console,path={run}/console.log", "-serial", "chardev:console",
        "-qmp", f"unix:{run}/qmp,server=on,wait=off",
    ]


def write_ssh_config(run, image, port):
    with open(f"{run}/ssh_config", "w", encoding="ascii") as config:
        config.write(f"""Host lab
  HostName 127.0.0.1
  Port {port}
  User root
  HostKeyAlias lab
  IdentityFile {image}/id_ed25519
  IdentitiesOnly yes
  UserKnownHostsFile {image}/known_hosts
  StrictHostKeyChecking yes
  ControlMaster auto
  ControlPath {run}/ssh
  ControlPersist 600
  ConnectTimeout 20
  LogLevel ERROR
""")


def start(run, image, iommu):
    if iommu not in topology.IOMMUS:
        fail(f"no such IOMMU: '{iommu}' (known: {', '.join(topology.IOMMUS)})")
    port = free_port()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", f"{image}/disk.img",
                    f"{run}/disk.qcow2"], check=True)
    write_ssh_config(run, image, port)
    with open(f"{run}/qemu.log", "wb") as log:
        qemu = subprocess.Popen(command_line(run, image, iommu, port), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                start_new_session=True)
    deadline = time.monotonic() + 60
    while not os.path.exists(f"{run}/qmp"):
        if qemu.poll() is not None or time.monotonic() > deadline:
            with open(f"{run}/qemu.log", encoding="utf-8", errors="replace") as log:
                fail(f"QEMU did not start:\n{log.read()[-2000:]}")
        time.sleep(0.05)
    machine = connect(run)
    try:
        identity.rewrite(qemu.pid, len(topology.CARDS), len(topology.CARDS))
    except (OSError, RuntimeError) as error:
        qemu.kill()
        fail(f"cannot give the cards their ids: {error}")
    machine.command("cont")


def stop(run):
    try:
        Qmp(f"{run}/qmp", timeout=10).command("quit")
    except (OSError, QmpError):
        pass
    try:
        with open(f"{run}/pid", encoding="ascii") as file:
            pid = int(file.read())
        for _ in range(100):
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if f"{run}/qmp".encode() not in file.read():
                    return
            time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        pass  # it has ended


def alive(run):
    try:
        Qmp(f"{run}/qmp", timeout=10)
    except (OSError, QmpError):
        sys.exit(1)


def snapshot(run, name):
    connect(run).monitor(f"savevm {name}")


def restore(run, name):
    connect(run).monitor(f"loadvm {name}")


def reset(run):
    connect(run).command("system_reset")


COMMANDS = {function.__name__: function for function in (start, stop, alive, snapshot, restore, reset)}

if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in COMMANDS:
        fail(__doc__)
    try:
        COMMANDS[sys.argv[1]](*sys.argv[2:])
    except QmpError as error:
        fail(str(error))
