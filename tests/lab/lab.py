"""The running lab, as the tests see it: commands in it over ssh, gpuplan, and what the machine is like."""

import collections
import json
import os
import shlex
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORK = "/root/work"  # in the lab

# Display functions; the audio function of a card is .1.
GPU_A, GPU_B = "0000:41:00.0", "0000:42:00.0"      # on socket 0, alone in their groups
GPU_C, GPU_D = "0000:81:00.0", "0000:82:00.0"      # on socket 1, likewise
ALL_GPUS = (GPU_A, GPU_B, GPU_C, GPU_D)
BOARD_A, BOARD_B = "0000:01:00.0", "0000:02:00.0"  # in one group
BRIDGED = "0000:03:01.0"                           # behind a bridge, with two more devices; not NVIDIA's
BOOT_DISPLAY = "0000:00:01.0"


def audio_of(gpu):
    return gpu[:-1] + "1"


class Result:
    """How a command ended."""

    def __init__(self, argv, process):
        self.command = argv
        self.status = process.returncode
        self.output = process.stdout
        self.errors = process.stderr

    def __str__(self):
        return f"$ {self.command}\n{self.output}{self.errors}exit status {self.status}"


Function = collections.namedtuple("Function", "driver driver_override group openable")


class Lab:
    """One lab that runs. Its methods fail with an exception when the lab cannot be reached."""

    def __init__(self, run_directory):
        self.root = ROOT
        self._ssh = ["ssh", "-F", f"{run_directory}/ssh_config", "lab"]

    def shell(self, command, standard_input="", limit=300):
        """Runs a command of a shell in the lab."""
        try:
            process = self._run(command, standard_input, limit)
        except subprocess.TimeoutExpired as late:
            raise RuntimeError(self._account_of(command, late)) from None
        if process.returncode == 255:
            raise RuntimeError(f"the lab cannot be reached: {process.stderr}")
        return Result(command, process)

    def _run(self, command, standard_input, limit):
        return subprocess.run(self._ssh + [command], input=standard_input, capture_output=True, text=True,
                              timeout=limit, errors="replace", check=False)

    def _account_of(self, command, late):
        """What is known of a command that did not end in time, and of what the lab is doing meanwhile."""
        said = "".join(part.decode(errors="replace") if isinstance(part, bytes) else part or ""
                       for part in (late.stdout, late.stderr))
        look = ("timeout 20 virsh list --all; ps -eo pid,ppid,stat,etime,wchan:24,args | grep -v '\\[.*\\]$'; "
                "for p in $(pgrep -x gpuplan); do head -n 40 /proc/$p/task/*/stack /proc/$p/task/*/wchan; done; "
                "tail -n 5 /var/lib/libvirt/qemu/*.log /var/log/libvirt/qemu/*.log; dmesg | tail -n 20")
        try:
            seen = self._run(look, "", 60)
            state = seen.stdout + seen.stderr
        except subprocess.TimeoutExpired:
            state = "it does not answer"
        return f"$ {command}\n{said}\nhas not ended after {late.timeout} s. The lab then:\n{state[-8000:]}"

    def output(self, command, standard_input=""):
        """What a command that must succeed prints, without the last line end."""
        result = self.shell(command, standard_input)
        if result.status != 0:
            raise RuntimeError(str(result))
        return result.output.rstrip("\n")

    def gpuplan(self, *arguments, user="root", limit=300):
        words = " ".join(shlex.quote(argument) for argument in arguments)
        if user != "root":
            words = f"runuser -u {user} -- " + "/usr/local/bin/gpuplan " + words
        else:
            words = "gpuplan " + words
        return self.shell(f"cd {WORK} && exec {words}", limit=limit)

    def start(self, unit, command):
        """Starts a command as a unit of the lab's systemd."""
        self.output(f"systemd-run --quiet --collect --unit={unit} --working-directory={WORK} {command}")

    def write(self, path, content):
        self.output(f"mkdir -p {os.path.dirname(path)} && cat >{path}", content)

    def write_spec(self, name, spec):
        """A spec file in the working directory. JSON is YAML, too."""
        self.output(f"mkdir -p {WORK} && chmod 755 /root {WORK} && cat >{WORK}/{name}", json.dumps(spec, indent=2))

    def functions(self, *functions):
        """How sysfs shows these functions: an object with driver, driver_override, group, and whether the group
        can be opened. In one connection, as each costs half a second."""
        script = """for f in %s; do cd /sys/bus/pci/devices/$f || exit 1
            driver=$(readlink driver); group=$(readlink iommu_group); read -r override <driver_override
            if [ -c /dev/vfio/${group##*/} ]; then openable=yes; else openable=no; fi
            echo ${driver##*/}, $override, ${group##*/}, $openable; done""" % " ".join(functions)
        return [Function(*line.split(", ")) for line in self.output(script).splitlines()]

    def iommu_group(self, function):
        return self.functions(function)[0].group

    def iommu(self):
        """As scripts/lab calls it."""
        return "amd" if self.shell("ls -d /sys/class/iommu/ivhd*").status == 0 else "intel"

    def nvidia_minor(self, gpu):
        return self.output(f"sed -n 's/^Device Minor:[[:space:]]*//p' /proc/driver/nvidia/gpus/{gpu}/information")

    def state(self):
        """Everything that gpuplan may change and must give back, as lines."""
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "dump_state.sh"), encoding="ascii") as script:
            return self.output("bash -s", script.read()).splitlines()

    def control(self, *words, limit=300):
        """scripts/lab, for what is done to the machine from outside."""
        subprocess.run([f"{ROOT}/scripts/lab", *words], check=True, timeout=limit, stdout=subprocess.DEVNULL)


def spec(workers, cluster="lab", **sections):
    """A declaration with a worker for each list of GPUs."""
    gpus = [gpu for list_of_gpus in workers.values() for gpu in list_of_gpus]
    declaration = {
        "cluster": cluster,
        "gpus": [{"pci_address": gpu} for gpu in gpus],
        "worker_gpu_assignment": {name: [gpus.index(gpu) for gpu in taken] for name, taken in workers.items()},
        "vm_resources": {
            "control_plane": {"memory": 2048, "cpus": 2, "disk": 10, "firmware": "bios"},
            "worker": {"memory": 1024, "cpus": 1, "disk": 10, "firmware": "bios"},
        },
        "host": {"memory_reserve": 512},
        "image": {"path": "/srv/guest.qcow2"},
        "gpu_operator": {"enabled": False},
    }
    for name, section in sections.items():
        if isinstance(section, dict):
            declaration[name] = {**declaration.get(name, {}), **section}
        else:
            declaration[name] = section
    return declaration
