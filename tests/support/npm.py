"""Packages of the npm registry, in the one version that a test was written for."""
import base64
import hashlib
import shutil
import subprocess
import sys


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def fetch(package, integrity, directory):
    """Unpacks "name@version" to the folder `directory`, without what it depends on. Ends the test where there is no registry."""
    npm = shutil.which("npm")
    if npm is None:
        skip(f"npm is not installed (scripts/setup installs it), and {package} comes from its registry")
    directory.mkdir(parents=True)
    packed = subprocess.run([npm, "pack", "--silent", package], cwd=directory, capture_output=True, text=True, timeout=300, check=False)
    if packed.returncode != 0:
        skip("npm's registry cannot be reached: " + (packed.stderr.strip().splitlines() or ["no reason given"])[-1])
    archive = directory / packed.stdout.split()[-1]
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != integrity:
        sys.exit(f"{package} is not what it was: its sha512 is {digest}")
    subprocess.run(["tar", "-xzf", archive, "--strip-components=1"], cwd=directory, check=True)
    archive.unlink()
    return directory
