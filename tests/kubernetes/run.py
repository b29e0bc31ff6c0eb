#!/usr/bin/env python3
"""What gpuplan sends to Kubernetes, held against Kubernetes' own definitions.

    run.py UNIT_VERIFY

UNIT_VERIFY prints each kubectl that is run during the life of a simulated cluster. What those create is checked against the
types of Kubernetes' OpenAPI document, as npm has them for TypeScript: fields that are not known there, that are missing, or
of another type. The command lines are checked by a real kubectl, if there is one in the PATH. Without npm or its registry
the test ends with 77, skipped.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))
import npm  # noqa: E402
from expectations import expect, failures  # noqa: E402

TYPES = ("kubernetes-types@1.30.0", "Dew1okvhM/SQcIa2rcgujNndZwU8VnSapDgdxlYoB84ZlpAD43U6KLAFqYo17ykSFGHNPrg0qry0bP+GJd9v7Q==")
COMPILER = ("typescript@5.9.3", "jl1vZzPDinLr9eUt3J/t7V6FgNEw9QjvBPdysz9KfQDD41fQrC2Y4vKQdiaUpFT4bXlb1RHhLpp8wtm6M5TgSw==")
MODULES = {"v1": "core/v1"}  # of the types, by apiVersion


def sent_by(unit_verify):
    """Each kubectl as {"argv": […], "input": "…"}, in order."""
    printed = subprocess.run([unit_verify, "[.sent]"], capture_output=True, text=True, check=False)
    if printed.returncode != 0:
        sys.exit(printed.stdout + printed.stderr)
    return [json.loads(line) for line in printed.stdout.splitlines() if line.startswith('{"argv"')]


def objects_in(document):
    if document.get("kind") != "List":
        return [document]
    return [item for each in document["items"] for item in objects_in(each)]


class Types:
    def __init__(self, directory):
        npm.fetch(*TYPES, directory / "node_modules/kubernetes-types")
        self.compiler = npm.fetch(*COMPILER, directory / "compiler") / "bin/tsc"
        self.directory = directory

    def complaint(self, item):
        """What is wrong with an object; empty if nothing is."""
        source = self.directory / "object.ts"
        source.write_text(f'import type * as api from "kubernetes-types/{MODULES[item["apiVersion"]]}";\n'
                          f'export const it: api.{item["kind"]} = {json.dumps(item)};\n')
        node = shutil.which("node") or npm.skip("node is not installed")
        flags = ["--noEmit", "--strict", "--lib", "es2020", "--moduleResolution", "node10"]
        done = subprocess.run([node, self.compiler, *flags, source], cwd=self.directory, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr if done.returncode != 0 else ""


def check_objects(objects, types):
    expect("namespaces and pods were sent", {item["kind"] for item in objects} == {"Namespace", "Pod"}, objects)
    shapes = {json.dumps([item["kind"], sorted(str(where) for where in places(item))]): item for item in objects}
    for item in shapes.values():
        complaint = types.complaint(item)
        expect(f"a {item['kind']} as the API defines it: {item['metadata']['name']}", not complaint, complaint)
    pod = next(item for item in objects if item["kind"] == "Pod")
    for what, wrong in (("an unknown field", {**pod["spec"], "restartPolciy": "Never"}),
                        ("another type", {**pod["spec"], "activeDeadlineSeconds": "60"}),
                        ("a missing field", {key: value for key, value in pod["spec"].items() if key != "containers"})):
        expect(f"which refuses {what}", types.complaint({**pod, "spec": wrong}))


def places(node, at=()):
    """The paths of an object's fields: two objects that have the same are of one shape."""
    children = node.items() if isinstance(node, dict) else [("[]", item) for item in node] if isinstance(node, list) else []
    for key, child in children:
        yield at + (key,)
        yield from places(child, at + (key,))


def check_command_lines(commands):
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        print("not tried: there is no kubectl in the PATH that could look at command lines")
        return
    # Flags in front of --help are read before it is obeyed.
    for argv in sorted({tuple(command["argv"]) for command in commands}, key=lambda argv: [word for word in argv if word[0] != "-"]):
        done = subprocess.run([kubectl, *argv[1:], "--help"], capture_output=True, text=True, check=False)
        expect("kubectl takes " + " ".join(argv[1:]), done.returncode == 0, done.stderr)
    wrong = subprocess.run([kubectl, "create", "--frob", "-f", "-", "--help"], capture_output=True, text=True, check=False)
    expect("and refuses others", wrong.returncode != 0)


def main():
    commands = sent_by(sys.argv[1])
    objects = [item for command in commands if command["input"] for item in objects_in(json.loads(command["input"]))]
    check_command_lines(commands)
    with tempfile.TemporaryDirectory() as name:
        check_objects(objects, Types(pathlib.Path(name)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
