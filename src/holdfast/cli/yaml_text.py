"""YAML of plain documents (maps, lists, texts, numbers), so that `--output yaml` needs no further distribution.

YAML 1.2 takes every JSON scalar as it is; only the block layout is written here.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

# A key that is written as it stands: a word, and none that some version of YAML takes for a truth value or for nothing.
_PLAIN = re.compile("[A-Za-z_][A-Za-z0-9_-]*")
_WORDS = frozenset({"y", "yes", "on", "true", "n", "no", "off", "false", "null"})
# A longer one no reader looks for on the line of its value.
_LONGEST_SIMPLE_KEY = 1000


def to_yaml(document: object) -> str:
    """The document as block YAML, ending with a line end."""
    return "\n".join(_lines(document, 0)) + "\n"


def _lines(value: object, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _entry(_head(str(key), indent), item, depth)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        for item in value:
            nested = list(_lines(item, depth + 1))
            yield f"{indent}- {nested[0].lstrip(' ')}"
            yield from nested[1:]
    else:
        yield indent + _scalar(value)


def _head(key: str, indent: str) -> str:
    text = key if _PLAIN.fullmatch(key) and key.lower() not in _WORDS else _scalar(key)
    return f"{indent}{text}:" if len(text) <= _LONGEST_SIMPLE_KEY else f"{indent}? {text}\n{indent}:"


def _entry(head: str, item: object, depth: int) -> Iterator[str]:
    if isinstance(item, Mapping | list | tuple) and item:
        yield head
        yield from _lines(item, depth + 1)
    else:
        yield f"{head} {_scalar(item)}"


def _scalar(value: object) -> str:
    """JSON, but for what YAML reads otherwise: surrogate pairs, and an exponent without a point before it."""
    if not isinstance(value, str):
        text = json.dumps(value)
        return text.replace("e", ".0e", 1) if isinstance(value, float) and "." not in text else text
    return '"' + "".join(_character(character) for character in value) + '"'


def _character(character: str) -> str:
    if ord(character) > 0xFFFF:
        return f"\\U{ord(character):08X}"
    return json.dumps(character)[1:-1]
