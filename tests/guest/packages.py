"""A repository of Debian packages as pkgs.k8s.io has one, with packages of our own; its first answers are failures."""

import os
import subprocess

from web_server import WebServer

PROGRAMS = {"kubeadm": 'echo "v{version}"', "kubelet": 'echo "Kubernetes v{version}"',
            "kubectl": """printf '{{\\n  "gitVersion": "v{version}"\\n}}\\n'""", "crictl": 'echo "crictl version v{version}"'}
PACKAGES = {"kubeadm": "kubeadm", "kubelet": "kubelet", "kubectl": "kubectl", "cri-tools": "crictl"}


def run(*argv, **options):
    return subprocess.run(argv, check=True, capture_output=True, **options).stdout


def make_package(directory, name, version):
    tree = os.path.join(directory, "tree")
    os.makedirs(f"{tree}/DEBIAN", exist_ok=True)
    os.makedirs(f"{tree}/usr/bin", exist_ok=True)
    with open(f"{tree}/DEBIAN/control", "w", encoding="utf-8") as file:
        file.write(f"Package: {name}\nVersion: {version}-1.1\nArchitecture: amd64\nMaintainer: test <test@example.com>\n"
                   "Description: stands in for the real one\n")
    program = PACKAGES[name]
    with open(f"{tree}/usr/bin/{program}", "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n" + PROGRAMS[program].format(version=version) + "\n")
    os.chmod(f"{tree}/usr/bin/{program}", 0o755)
    run("dpkg-deb", "--build", "--root-owner-group", tree, f"{directory}/{name}_{version}_amd64.deb")
    run("rm", "-rf", tree)


def sign(directory, home):
    """As apt wants it: Packages, Release, InRelease, and the key in ASCII."""
    run("gpg", "--homedir", home, "--batch", "--passphrase", "", "--quick-generate-key", "test@example.com", "ed25519", "sign")
    packages = run("dpkg-scanpackages", "--multiversion", ".", cwd=directory)
    with open(f"{directory}/Packages", "wb") as file:
        file.write(packages)
    checksum = run("sha256sum", f"{directory}/Packages").split()[0].decode()
    with open(f"{directory}/Release", "w", encoding="utf-8") as file:
        file.write(f"Origin: test\nDate: {run('date', '-Ru').decode().strip()}\nSHA256:\n {checksum} {len(packages)} Packages\n")
    run("gpg", "--homedir", home, "--batch", "--clearsign", "--output", f"{directory}/InRelease", f"{directory}/Release")
    with open(f"{directory}/Release.key", "wb") as file:
        file.write(run("gpg", "--homedir", home, "--armor", "--export"))


class Repository(WebServer):
    """Serves ADDRESS as long as it is used as a context. `url` is what takes the place of https://pkgs.k8s.io."""

    def __init__(self, directory, address, minor, versions, failures):
        self._directory = os.path.join(directory, f"core:/stable:/v{minor}/deb")
        os.makedirs(self._directory)
        for version in versions:
            for name in PACKAGES:
                make_package(self._directory, name, version)
        home = os.path.join(directory, "gnupg")
        os.mkdir(home, 0o700)
        sign(self._directory, home)
        self.failures = failures  # how many requests for InRelease end in 503
        super().__init__(directory, address)

    def fails(self, path):
        if not path.endswith("InRelease") or self.failures == 0:
            return False
        self.failures -= 1
        return True
