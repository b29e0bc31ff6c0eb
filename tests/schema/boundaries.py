"""The program and the schema over many values for each single key.

A spec of the corpus may have several mistakes, of which one is enough to refuse it. Here each value stands at each
key in turn, and both must judge it alike there: the program by the line of its errors, the schema by their path.
"""
import concurrent.futures
import json

HEX = "0123456789abcdefABCDEF"
TEXTS = [
    "", " ", "a", "A", "7", "-", "-a", "a-", "a_b", "a.b", "a b", "a\n", ".", "..", ".a", "+1", "a/b", "é", "a@b",
    "a;b",
    *("a" * size for size in (15, 16, 49, 50, 51, 62, 63, 64)),
    "/", "/a", "/a/", "/a/..", "/a/../b", "/./a", "/a/...", "/a\n", "a/", "//",
    "0s", "1s", "01s", "-1s", "1.5h", "1 s", "1d", "9999s", "79999s", "86399s", "86400s", "86401s", "90000s", "100000s",
    "1439m", "1440m", "1441m", "0m", "9h", "23h", "24h", "25h", "s", "1sx",
    "1", "1.", "1.3", "1.34", "1.34.2", "1.34.2.1", "01.3", "1.03", "v1.3", "12345.1", "1.x", ".3",
    *(f"NET.0.0.0/{bits}" for bits in (0, 7, 8, 9, 10, 11, 12, 19, 24, 25, 27, 28, 29, 30, 32, 33)),
    "NET.0.0.0", "NET.0.0/24", "NET.0.0.0/08", "256.0.0.0/24", "NET.0.00.0/24", "NET.0.0.0/24 ", "NET.0.0.0.0/24",
    "249.0.0.0/24", "199.0.0.0/24", "99.0.0.0/24", "255.0.0.0/24", "0.0.0.0/24", "::/24",
    "qemu:///system", "test:///default", "qemu://host/system", "xen:///", " qemu:///system", "qemu+unix:///x?y",
    "qemu:///session", "qemu:///", "qemu:///system/", "qemu:///system\n", "test:///", "test:///a",
    "qemu+unix:///session", "qemu+unix://h/system",
    "qemu+ext:///system?command=/x", "qemu+ssh:///system", "qemu:///system?command=/x", "qemu:///system?socket=/a/b-c_d.e",
    "qemu:///system?socket=", "qemu:///system?socket=/", "qemu:///system?socket=a", "qemu:///system?socket=/a/",
    "qemu:///system?socket=//a", "qemu:///system?socket=/a&command=/x", "qemu:///system?socket=/a%26",
    "qemu:///system?socket=/a#b", "test:///default?socket=/a",
    "http://x", "https://x", "https://x/", "https://x:5000/v2/a", "https://x:123456/", "https://u:p@x/", "https://-x/", "https://x./",
    "https://x/a?b", "https://x/a b", "https://x//a~b+c%20", "https:///a", "oci://x/a", "oci://", "http://x:/",
    "https://" + "a" * 253, "https://" + "a" * 254, "https://x/" + "a" * 490, "https://x/" + "a" * 491, "a.b:5", "a:b", "ftp://x", "HTTP://x", "https:/x", "http:",
    "0a:00.0", "0000:0A:1f.7", "0000:0a:20.0", "0a:00.8", "0a:00", "000:0a:00.0", "0a:0g.0", "0a:00.0\n", "0a-00.0",
    "10de:2330", "10DE:2330", "10de:233", "10de:23300", "10dg:2330", "10de2330",
    (HEX * 3)[:63], (HEX * 3)[:64], (HEX * 3)[:65], "g" * 64,
    "a.b/c", "a.b/C", "A.b/c", "a./c", "a..b/c", "-a/c", "a/b/c", "a/b-", "a_b/c", "nvidia.com/gpu", "x.node.kubernetes.io/a",
    *(f"{prefix}/a" for prefix in ("a" * 253, "a" * 254, "node.kubernetes.io")), "a/" + "a" * 63, "a/" + "a" * 64,
    "root@10.0.0.5", "a_b-c@0.0.0.0", "-a@10.0.0.5", "root@10.0.0", "root@host", "@10.0.0.5", "a@b@10.0.0.5", "root@10.0.0.05",
    "a" * 32 + "@10.0.0.5", "a" * 33 + "@10.0.0.5", "/a b", "/a_b.c+d@e-f", *(
        f"{kind} AAAAC3NzaC1lZDI1NTE5AAAAI{'a' * size}{rest}"
        for kind, size, rest in (("ssh-ed25519", 43, ""), ("ssh-ed25519", 42, ""), ("ssh-ed25519", 44, ""), ("ssh-rsa", 43, ""),
                                 ("ssh-ed25519", 43, " root@a b"), ("ssh-ed25519", 43, "  x"), ("ssh-ed25519", 42, "="))),
    "nvidia-persistenced.service", "a\\x2db.service", "--now", "@a",
]
VALUES = [
    *TEXTS, None, True, False, [], [1], {}, {"a": 1}, 1.5, 1.34,
    *(-1, 0, 1, 2, 3, 9, 10, 11, 1022, 1023, 1024, 1025, 2046, 2047, 2048, 2049, 65535, 65536, 65537),
    *(16777215, 16777216, 16777217, 10**30, -(10**30)),
]
SHAPES = [None, [], {}, {"a": 1}, [1], "a", "auto", 1, True]
# What the program says of two keys at once, or of a number as it is written: 1.20 is 1.2 to a schema. It is not about one
# value, and the corpus has it.
BETWEEN_KEYS = (
    " is too small for ", " overlaps ", " has both url and path", "network.mode is bridge", "only for network.mode",
    " cannot be made of hugepages ", " is not in the slot ", " is listed twice", " is in the slot of ",
    " is outside network.cidr ", " is no address of ", " is the address of the network itself", " would both get ",
    " is a machine of its own here", " is only for machines", "nodes.w.ssh has no ",
    " has no mirror, and would come from ", " is older than 1.20, ",
)
# Said by the program at another line than the value's.
ELSEWHERE = {(("gpus", 0, "pci_address"), None), (("network", "bridge"), None)}


def place(document, path, value):
    for i, key in enumerate(path[:-1]):
        empty = [] if isinstance(path[i + 1], int) else {}
        if isinstance(document, list):
            if not document:
                document.append(empty)
            document = document[key]
        else:
            document = document.setdefault(key, empty)
    if isinstance(document, list):
        document.append(value)
    else:
        document[path[-1]] = value


def value_at(path, value):
    """Networks that overlap are no mistake of one of them: each key has its own."""
    first = {"cidr": "10", "pod_cidr": "11", "service_cidr": "12"}.get(path[-1], "10")
    return value.replace("NET", first) if isinstance(value, str) else value


def judgements(program_errors, validator, base, paths, value):
    """For each path: does the program refuse the value there, does the schema?"""
    document = json.loads(json.dumps(base))
    for i, path in enumerate(paths):
        place(document, path, f"@{i}@")
    lines = json.dumps(document, indent=1).split("\n")
    line_of = {}
    for number, line in enumerate(lines):
        for i, path in enumerate(paths):
            if f'"@{i}@"' in line:
                lines[number] = line.replace(f'"@{i}@"', json.dumps(value_at(path, value)))
                line_of[path] = number + 1
    text = "\n".join(lines) + "\n"
    by_program = {
        error["where"]["line"]
        for error in program_errors(text)
        if not any(phrase in error["summary"] for phrase in BETWEEN_KEYS)
    }
    by_schema = [tuple(error.absolute_path) for error in validator.iter_errors(json.loads(text))]
    for path in paths:
        yield path, line_of[path] in by_program, any(found[:len(path)] == path for found in by_schema)


def rounds(schema_paths, containers, enums):
    """Documents to fill, with the keys that can be filled at once without being in each other's way."""
    named = {("cluster",), ("worker_gpu_assignment", "w", 0)}
    alone = named | {("network", "bridge"), ("network", "gateway"), ("image", "url"), ("network", "addresses", "w")}
    values = VALUES + enums
    yield {"worker_gpu_assignment": {"w": []}}, [path for path in schema_paths if path not in alone], values
    base = {"gpus": "auto", "network": {"mode": "bridge"}, "worker_gpu_assignment": {"w": []}}
    yield base, [path for path in schema_paths if path in alone - named], values
    yield {"gpus": "auto"}, [path for path in schema_paths if path in named], values
    for depth in (1, 2):
        yield {}, [path for path in containers if len(path) == depth], SHAPES


def disagreements(program_errors, validator, leaves, containers, enums, texts):
    """Each (path, value, refused by the program, refused by the schema) where the two differ; first the count.

    Of `texts`, a plain true is a text to the program. The schema refuses it: editors would propose true and false.
    """
    jobs = [(base, paths, value) for base, paths, values in rounds(leaves, containers, enums) for value in values]
    yield sum(len(paths) for _, paths, _ in jobs)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = pool.map(lambda job: list(judgements(program_errors, validator, *job)), jobs)
        for (_, _, value), judged in zip(jobs, runs):
            for path, by_program, by_schema in judged:
                if isinstance(value, (bool, type(None))) and (path, value) in ELSEWHERE:
                    continue
                if by_program != by_schema and not (isinstance(value, bool) and path in texts):
                    yield path, value, by_program, by_schema
