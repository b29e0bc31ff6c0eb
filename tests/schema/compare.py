#!/usr/bin/env python3
"""Keeps specs/gpuplan.schema.json true to the program.

    compare.py GPUPLAN SOURCE_DIR

1. `gpuplan validate` and the schema agree about each shipped spec and each spec of the corpus, except for those
   listed in differences.yaml with the reason; an entry that agrees again is a failure too.
2. They agree about hundreds of single values at each key (boundaries.py).
3. The schema has exactly the keys that the program reads: the program names them when it meets an unknown one.
4. Each key has a description, and a default where the program has one: the value in specs/full.yaml, which names
   every key. (That these are the program's defaults is tested by unit_spec.)
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import jsonschema
import yaml

import boundaries
import core_yaml

UNKNOWN = "q" * 40  # far from every known key, or the program would guess one instead of naming all
failures = []


def fail(text):
    failures.append(text)
    print("FAILED:", text)


def validate(program, path, *options):
    """The exit code and stdout of `gpuplan validate`, which must be that of a judgement."""
    run = subprocess.run([program, "validate", str(path), *options], capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1):
        fail(f"{path.name}: gpuplan validate ended with {run.returncode}: {run.stderr}")
    return run.returncode, run.stdout


def with_ecma_patterns(schema):
    """JSON Schema's `$` is the end of the text; Python's also matches before a line end."""
    text = json.dumps(schema)
    return json.loads(text.replace('$"', '\\\\Z"').replace("$)", "\\\\Z)"))


def schema_accepts(validator, path):
    try:
        document = core_yaml.load(path)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        return False  # an editor shows the syntax error
    return validator.is_valid(document)


def compare_verdicts(program, schema, source):
    listed = core_yaml.load(source / "tests/schema/differences.yaml")
    schema_misses, schema_overdoes = listed["only_the_program_refuses"], listed["only_the_schema_refuses"]
    validator = jsonschema.Draft7Validator(with_ecma_patterns(schema))
    paths = sorted((source / "specs").glob("*.yaml")) + sorted((source / "tests/corpus/spec").glob("*.yaml"))
    seen = set()
    for path in paths:
        name = path.stem
        seen.add(name)
        by_program = validate(program, path)[0] == 0
        by_schema = schema_accepts(validator, path)
        if by_schema and not by_program and name not in schema_misses:
            fail(f"{path.name}: the schema accepts it, gpuplan validate refuses it")
        if by_program and not by_schema and name not in schema_overdoes:
            fail(f"{path.name}: gpuplan validate accepts it, the schema refuses it")
        if name in schema_misses and not (by_schema and not by_program):
            fail(f"{path.name}: only_the_program_refuses lists it, but that is not so (any more)")
        if name in schema_overdoes and not (by_program and not by_schema):
            fail(f"{path.name}: only_the_schema_refuses lists it, but that is not so (any more)")
    for name in (set(schema_misses) | set(schema_overdoes)) - seen:
        fail(f"differences.yaml lists {name}, and there is no such spec")
    for name, reason in {**schema_misses, **schema_overdoes}.items():
        if not isinstance(reason, str) or len(reason) < 10:
            fail(f"differences.yaml gives no reason for {name}")
    print(f"{len(paths)} specs compared, {len(schema_misses) + len(schema_overdoes)} of them with listed differences")


def resolved(schema, node):
    """The node with what its $ref and allOf add; what stands in the node itself comes first."""
    merged = dict(node)
    parts = [{"$ref": node["$ref"]}] if "$ref" in node else node.get("allOf", [])
    for part in parts:
        target = schema["definitions"][part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part
        merged = {**resolved(schema, target), **merged}
    return merged


def walk(schema, node, path=()):
    """Each key of the schema as (path, node): 0 stands for each list item, w for each worker's name."""
    node = resolved(schema, node)
    yield path, node
    for key, child in node.get("properties", {}).items():
        yield from walk(schema, child, path + (key,))
    for keyword, step in (("items", 0), ("additionalProperties", "w")):
        if isinstance(node.get(keyword), dict):
            yield from walk(schema, node[keyword], path + (step,))


def errors_of(program, text):
    """The errors of a spec with this text."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "probe.yaml"
        path.write_text(text, encoding="utf-8")
        out = validate(program, path, "--json")[1]
    return [error for error in json.loads(out).get("errors", []) if error["severity"] == "error"]


def known_keys(problems):
    """By section, what the program says that it knows: {"host": {"accel", …}, "": {"cluster", …}, …}."""
    known = {}
    for problem in problems:
        start = f'unknown key "{UNKNOWN}"'
        if not problem["summary"].startswith(start):
            continue
        section = problem["summary"][len(start):].replace(" in ", "", 1)
        prefix = "known keys here: "
        if not problem.get("remedy", "").startswith(prefix):
            fail(f"the program does not name the known keys of '{section}': {problem}")
            continue
        known[section] = set(problem["remedy"][len(prefix):].split(", "))
    return known


def dotted(path):
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else "." * bool(text) + key
    return text


def compare_keys(program, schema):
    keys = list(walk(schema, schema))
    sections = {dotted(path): set(node["properties"]) for path, node in keys if "properties" in node}
    probe = {"worker_gpu_assignment": {"w": []}}
    for path, node in keys:
        if "properties" in node:
            boundaries.place(probe, path + (UNKNOWN,), 1)
    known = known_keys(errors_of(program, json.dumps(probe)))
    for section in sorted(set(sections) | set(known)):
        if sections.get(section) != known.get(section):
            fail(f"keys of '{section}': the schema has {sections.get(section)}, the program {known.get(section)}")
    # What the schema takes for a single value must not be a section of the program.
    for path, node in keys:
        if path and "properties" not in node and "w" not in path:
            probe = {}
            boundaries.place(probe, path, {UNKNOWN: {UNKNOWN: 1}})
            for section in known_keys(errors_of(program, json.dumps(probe))):
                fail(f"the program reads keys below {section}, the schema does not")
    print(f"{sum(len(properties) for properties in sections.values())} keys compared in {len(sections)} sections")


def compare_values(program, schema):
    validator = jsonschema.Draft7Validator(with_ecma_patterns(schema))
    keys = [(path, node) for path, node in walk(schema, schema) if path]
    longer = {path[:-1] for path, _ in keys}
    free = {("gpu_operator", "values")}
    containers = [path for path, _ in keys if path in longer | free and "w" not in path and 0 not in path]
    leaves = [path for path, _ in keys if path not in longer | free]
    enums = sorted({value for _, node in keys for value in node.get("enum", []) if value is not None})
    texts = {path for path, node in keys if "string" in node.get("type", []) and "pattern" in node}
    found = boundaries.disagreements(lambda text: errors_of(program, text), validator, leaves, containers, enums, texts)
    count = next(found)
    for path, value, by_program, by_schema in found:
        fail(f"{dotted(path)}: {value!r} is refused by the program: {by_program}, by the schema: {by_schema}")
    print(f"{count} values compared at {len(leaves) + len(containers)} keys")


def at(document, path):
    """The value at a path of the schema; a worker's is that of the first worker there."""
    for key in path:
        document = next(iter(document.values())) if key == "w" else document[key]
    return document


def compare_defaults(schema, source):
    full = core_yaml.load(source / "specs/full.yaml")
    count = 0
    for path, node in walk(schema, schema):
        where = dotted(path) or "the document"
        if "description" not in node:
            fail(f"{where} has no description")
        required = path and (path[-1] == "pci_address" or "taints" in path and path[-1] in ("key", "effect"))
        inherited = path[:3] == ("vm_resources", "workers", "w")  # from vm_resources.worker
        named = path and path[-1] not in (0, "w")
        if named and ("default" in node) == bool(required or inherited):
            fail(f"{where}: a default is {'not expected' if required or inherited else 'missing'}")
        if not named or inherited:
            continue
        try:
            value = at(full, path)
        except (KeyError, IndexError, TypeError):
            fail(f"specs/full.yaml does not name {where}")
            continue
        examples = ("gpu_device_ids", "gpus", "worker_gpu_assignment", "nodes")
        if "properties" not in node and path[0] not in examples and path != ("vm_resources", "workers"):
            count += 1
            if value != node["default"] or type(value) is not type(node["default"]):
                fail(f"{where}: the schema's default is {node['default']!r}, that of full.yaml {value!r}")
    if count < 35:
        fail(f"only {count} defaults were compared")
    print(f"{count} defaults compared")


def check_editor_lines(source):
    for path in sorted((source / "specs").glob("*.yaml")):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        start = "# yaml-language-server: $schema="
        if not first.startswith(start) or not (path.parent / first[len(start):]).is_file():
            fail(f"specs/{path.name} does not name its schema in its first line")


def main():
    program, source = sys.argv[1], pathlib.Path(sys.argv[2])
    schema = json.loads((source / "specs/gpuplan.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    compare_verdicts(program, schema, source)
    compare_keys(program, schema)
    compare_values(program, schema)
    compare_defaults(schema, source)
    check_editor_lines(source)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
