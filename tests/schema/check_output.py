#!/usr/bin/env python3
"""Validates what the program prints with --json against docs/output.schema.json.

Usage: check_output.py PROGRAM SOURCE_DIR. Runs real verbs on simulated servers. Every type of event must be seen:
a type that no run shows would be documented and never proven.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import jsonschema

PROGRAM, SOURCE = sys.argv[1], sys.argv[2]
SCHEMA = json.load(open(f"{SOURCE}/docs/output.schema.json", encoding="utf-8"))
HOST = f"sim:{SOURCE}/specs/hosts/h100-sxm8.yaml"
SPEC = f"{SOURCE}/specs/h100-8gpu.yaml"
problems = []
seen = set()


def validator(name):
    return jsonschema.Draft7Validator({**SCHEMA, "oneOf": [{"$ref": f"#/definitions/{name}"}]})


def complain(words, error):
    place = "/".join(str(part) for part in error.absolute_path)
    best = jsonschema.exceptions.best_match(error.context) if error.context else error
    problems.append(f"gpuplan {' '.join(words)}: at /{place}: {best.message[:400]}")


def run(state, *words, host=HOST):
    return subprocess.run([PROGRAM, *words, "--json", "--state-dir", state, "--host", host], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)


def take_events(words, text, exit_code):
    lines = text.splitlines()
    if not lines:
        problems.append(f"gpuplan {' '.join(words)}: printed nothing")
    for line in lines:
        event = json.loads(line)
        seen.add(event.get("type"))
        for error in validator("event").iter_errors(event):
            complain(words, error)
    if lines and (json.loads(lines[-1]).get("type"), json.loads(lines[-1]).get("exit_code")) != ("run_finished", exit_code):
        problems.append(f"gpuplan {' '.join(words)}: the last line is no run_finished with exit code {exit_code}")


def events(state, expected, *words, host=HOST):
    done = run(state, *words, host=host)
    if done.returncode != expected:
        problems.append(f"gpuplan {' '.join(words)}: exit code {done.returncode}, not {expected}")
    take_events(words, done.stdout, done.returncode)


def document(state, expected, definition, *words, host=HOST):
    done = run(state, *words, host=host)
    if done.returncode != expected:
        problems.append(f"gpuplan {' '.join(words)}: exit code {done.returncode}, not {expected}")
    for error in validator(definition).iter_errors(json.loads(done.stdout)):
        complain(words, error)


def interrupted(state):
    """A run that waits for a step that hangs, and is stopped."""
    words = ["apply", SPEC, "--yes", "--fault", "vfio-bind/0000:3a:00.0:hang"]
    process = subprocess.Popen([PROGRAM, *words, "--json", "--state-dir", state, "--host", HOST], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    text = ""
    for line in process.stdout:
        text += line
        event = json.loads(line)
        if event.get("type") == "stage_started" and event["address"] == "vfio-bind/0000:3a:00.0":
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
    take_events(words, text, process.wait())


def main():
    with tempfile.TemporaryDirectory() as place:
        state, other, third = f"{place}/a", f"{place}/b", f"{place}/c"
        rollback_spec = f"{place}/rollback.yaml"
        with open(rollback_spec, "w", encoding="utf-8") as file:
            file.write(open(SPEC, encoding="utf-8").read() + "\non_failure: rollback\n")
        plan = os.path.join(place, "saved.plan")
        document(state, 0, "planDocument", "plan", SPEC)
        document(state, 0, "planDocument", "plan", SPEC, "--out", plan, "--target", "vm-define/gpu-worker-1")
        for name in sorted(os.listdir(f"{SOURCE}/specs/hosts")):
            if name.endswith(".yaml"):
                document(state, 0, "inventory", "discover", host=f"sim:{SOURCE}/specs/hosts/{name}")
                document(state, 0, "writtenDocument", "init", host=f"sim:{SOURCE}/specs/hosts/{name}")
                document(state, 0, "writtenDocument", "record", host=f"sim:{SOURCE}/specs/hosts/{name}")
        document(state, 0, "writtenDocument", "show", "vm", "gpu-worker-1", SPEC)
        document(state, 0, "writtenDocument", "show", "kubeadm", SPEC)
        document(state, 0, "inventory", "discover", host="local")
        document(state, 0, "checkDocument", "check", SPEC)
        document(state, 0, "validDocument", "validate", SPEC)
        document(state, 0, "graphDocument", "graph", SPEC)
        document(state, 0, "pluginsDocument", "plugins")
        document(state, 0, "versionDocument", "version")
        document(state, 0, "statusDocument", "status")
        document(state, 1, "refusal", "plan", SPEC, host=f"sim:{SOURCE}/specs/hosts/busy.yaml")
        document(state, 1, "refusal", "plan", f"{SOURCE}/tests/cli/broken.yaml")
        events(state, 1, "apply", SPEC)
        events(state, 3, "apply", SPEC, "--yes", "--fault", "worker-join/gpu-worker-2:fail")
        events(state, 5, "apply", plan, "--yes")
        document(state, 0, "statusDocument", "status")
        document(state, 0, "historyDocument", "history")
        document(state, 0, "runDocument", "show", "1")
        events(state, 7, "rollback", "--yes", "--fault", "vfio-bind/0000:0a:00.0:fail")
        events(state, 0, "rollback", "--yes")
        events(state, 0, "apply", SPEC, "--yes")
        events(state, 0, "apply", SPEC, "--yes")
        document(state, 0, "kubeconfigDocument", "kubeconfig")
        os.environ["KUBECONFIG"] = f"{place}/config"
        document(state, 0, "kubeconfigDocument", "kubeconfig", SPEC, "--merge")
        document(state, 0, "verificationDocument", "verify")
        document(state, 0, "stepLog", "logs", "worker-join/gpu-worker-2")
        os.makedirs(f"{state}/clusters/gpu/logs", exist_ok=True)
        with open(f"{state}/clusters/gpu/logs/gpu-worker-1.log", "w", encoding="utf-8") as file:
            file.write("installed\n")
        document(state, 0, "nodeLog", "logs", "gpu-worker-1")
        events(state, 1, "rollback", "--yes", host=f"sim:{SOURCE}/specs/hosts/busy.yaml")
        document(state, 0, "planDocument", "plan", "--destroy", "--target", "vfio-bind/0000:0a:00.0")
        events(state, 0, "destroy", "--yes", "--target", "vfio-bind/0000:0a:00.0")
        events(state, 0, "destroy", "--yes")
        events(other, 3, "apply", rollback_spec, "--yes", "--fault", "k8s-init/gpu-control-plane:fail")
        interrupted(third)
    types = {value["properties"]["type"]["const"] for value in SCHEMA["definitions"].values()
             if isinstance(value.get("properties", {}).get("type"), dict) and "const" in value["properties"]["type"]}
    for name in sorted(types - seen):
        problems.append(f"no run printed an event of the type {name}")
    for problem in problems:
        print(problem)
    print(f"{len(types)} types of events, {len(problems)} problems")
    return 1 if problems else 0


sys.exit(main())
