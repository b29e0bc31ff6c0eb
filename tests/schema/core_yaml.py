"""YAML 1.2's core schema, as editors read a spec: `on` is a text, 0x10 a number, a key always a text."""
import math
import re

import yaml


class CoreLoader(yaml.SafeLoader):
    """PyYAML's own rules are those of YAML 1.1, where `yes` is true and 18:00.0 a number."""

    yaml_implicit_resolvers = {}

    def construct_mapping(self, node, deep=False):
        mapping = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key that is no scalar", key.start_mark)
            mapping[key.value] = self.construct_object(value, deep=deep)
        return mapping


def _integer(loader, node):
    text = node.value
    return int(text, {"0x": 16, "0o": 8}.get(text[:2], 10))


def _fraction(loader, node):
    text = node.value.lower()
    if text.lstrip("+-") == ".inf":
        return -math.inf if text.startswith("-") else math.inf
    return math.nan if text == ".nan" else float(text)


_rules = [
    ("null", r"~|null|Null|NULL|", None),
    ("bool", r"true|True|TRUE|false|False|FALSE", None),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", _integer),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", _fraction),
]
for _name, _pattern, _constructor in _rules:
    _tag = "tag:yaml.org,2002:" + _name
    CoreLoader.add_implicit_resolver(_tag, re.compile("(?:" + _pattern + r")\Z"), None)
    if _constructor:
        CoreLoader.add_constructor(_tag, _constructor)


def load(path):
    """The one document of the file; raises YAMLError, UnicodeDecodeError or RecursionError for others."""
    return yaml.load(path.read_bytes().decode("utf-8"), Loader=CoreLoader)
