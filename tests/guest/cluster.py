"""A cluster of real guests on this machine, seen from outside: gpuplan, virsh, and ssh with the keys that gpuplan made."""

import json
import os
import re
import shlex
import subprocess
import sys

NAME = "guest-test"
CONTROL_PLANE = f"{NAME}-control-plane"
WORKER = f"{NAME}-worker-1"
ADDRESSES = {CONTROL_PLANE: "192.168.231.10", WORKER: "192.168.231.21"}
POOL = "/var/lib/gpuplan-guest-test"
DOWNLOADS = "/var/cache/gpuplan"
STANDIN = "/var/lib/guest-standin"

SPEC = """cluster: {name}
worker_gpu_assignment: {workers}
vm_resources:
  control_plane: {{memory: 2048, cpus: 2, disk: 10, firmware: bios}}
  worker: {{memory: 1024, cpus: 1, disk: 10, firmware: efi}}
host: {{accel: tcg, memory_reserve: 512}}
network: {{name: {name}, cidr: 192.168.231.0/24}}
image: {{url: "{image.url}", sha256: {image.sha256}}}
storage: {{pool: {name}, path: {pool}/images}}
gpu_operator: {{enabled: true}}
timeouts: {{guest_boot: 15m, ssh: 10m, kubeadm: {kubeadm}}}
"""


class Result:
    def __init__(self, argv, finished):
        self.argv = argv
        self.status = finished.returncode
        self.output = finished.stdout
        self.errors = finished.stderr

    def __str__(self):
        return f"{shlex.join(self.argv)} ended with {self.status}\n{self.output}{self.errors}"


class Cluster:
    def __init__(self, program, image, directory):
        self.program = program
        self.image = image
        self.directory = directory
        self.state = os.path.join(directory, "state")
        self.spec = os.path.join(directory, "spec.yaml")
        self.logs = os.path.join(self.state, "clusters", NAME, "logs")

    def write_spec(self, workers="{worker-1: []}", kubeadm="10m"):
        with open(self.spec, "w", encoding="utf-8") as file:
            file.write(SPEC.format(name=NAME, workers=workers, image=self.image, pool=POOL, kubeadm=kubeadm))

    def gpuplan(self, *arguments, limit=900):
        argv = [self.program, *arguments, "--state-dir", self.state]
        finished = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit,
                                  check=False)
        return Result(argv, finished)

    def start_gpuplan(self, *arguments):
        """In the background; the caller waits for it."""
        return subprocess.Popen([self.program, *arguments, "--state-dir", self.state], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def ssh(self, node, *argv, text="", limit=120):
        """As somebody with the cluster's key would, trusting only the host key that gpuplan gave the guest."""
        keys = os.path.join(self.state, "clusters", NAME, "ssh")
        command = ["ssh", "-F", "/dev/null", "-i", f"{keys}/id_ed25519", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
                   "-o", f"UserKnownHostsFile={keys}/{node}.known_hosts", "-o", f"HostKeyAlias={node}",
                   "-o", "StrictHostKeyChecking=yes", "-o", "HostKeyAlgorithms=ssh-ed25519", "-o", "ConnectTimeout=20",
                   "-o", "ControlMaster=auto", "-o", "ControlPersist=30", "-o", f"ControlPath={self.directory}/%C",
                   "-o", "ServerAliveInterval=5",
                   f"root@{ADDRESSES[node]}", shlex.join(argv)]
        finished = subprocess.run(command, input=text, capture_output=True, text=True, timeout=limit, check=False)
        return Result(command, finished)

    def fault(self, node, *lines):
        """What the next calls of the stand-ins do: "kubeadm join fail" is the next one of these, whichever that is."""
        counts = self.ssh(node, "python3", "-c", "import json;print(json.dumps(json.load(open("
                          f"'{STANDIN}/state.json')).get('calls', {{}})))")
        made = json.loads(counts.output)
        text = ""
        for line in lines:
            program, subcommand, effect = line.split()
            text += f"{program} {subcommand} {made.get(f'{program} {subcommand}', 0) + 1} {effect}\n"
        written = self.ssh(node, "tee", f"{STANDIN}/faults", text=text)
        if written.status != 0:
            raise AssertionError(str(written))

    def console(self, node):
        return f"/var/log/libvirt/qemu/{node}-console.log"


def machine_state():
    """What gpuplan makes on a host: libvirt's objects, interfaces, rules, files."""
    text = ""
    for words in ("virsh -q -c qemu:///system list --all --name", "virsh -q -c qemu:///system net-list --all",
                  "virsh -q -c qemu:///system pool-list --all", "ip -o -4 address", "iptables-save -t filter"):
        finished = subprocess.run(words.split(), capture_output=True, text=True, check=False)
        # libvirt makes its chains with the first network of its life and keeps them.
        lines = [line for line in finished.stdout.splitlines()
                 if not line.startswith(("#", ":")) and not re.fullmatch(r"-A \w+ -j LIBVIRT_\w+", line)]
        text += f"{words}\n" + "\n".join(lines) + "\n"
    nvram = "/var/lib/libvirt/qemu/nvram"
    variables = sorted(os.listdir(nvram)) if os.path.isdir(nvram) else []
    return text + f"{POOL}: {os.path.exists(POOL)}\n{DOWNLOADS}: {os.path.exists(DOWNLOADS)}\n{nvram}: {variables}\n"


def say(text):
    print(text, file=sys.stderr, flush=True)
