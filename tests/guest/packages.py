"""A repository of Debian packages as pkgs.k8s.io has one, with packages of our own; its first answers are failures."""

import http.server
import os
import subprocess
import threading

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


class Repository:
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
        repository = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=directory)

            def do_GET(self):  # noqa: N802
                if self.path.endswith("InRelease") and repository.failures > 0:
                    repository.failures -= 1
                    self.send_error(503)
                else:
                    super().do_GET()

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.url = f"http://{address}:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
