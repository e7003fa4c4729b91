"""Writes plain values as YAML, for the files that Prometheus and Grafana read.

in      dicts, lists, texts, numbers, truth values; texts of several lines become blocks
out     YAML 1.1 that any reader takes; texts that could mean something else are quoted as in JSON,
        which is YAML too
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_PLAIN = re.compile(r"[A-Za-z/_][A-Za-z0-9/_.\-:]*(?<!:)")
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def as_yaml(value: Any) -> str:
    """Return the text of a value.

    >>> print(as_yaml({"groups": [{"name": "a b", "rules": []}], "on": 5}), end="")
    groups:
      - name: "a b"
        rules: []
    "on": 5
    """
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _keyed(f"{_scalar(key)}:", inner)
    else:
        for inner in value:
            if isinstance(inner, dict) and inner:
                first, *rest = _lines(inner)
                yield f"- {first}"
                yield from (f"  {line}" for line in rest)
            else:
                yield f"- {_scalar(inner)}"


def _keyed(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, str) and "\n" in value:
        yield f"{key} |-"
        yield from (f"  {line}" for line in value.split("\n"))
    elif isinstance(value, dict | list) and value:
        yield key
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{key} {_scalar(value)}"


def _scalar(value: Any) -> str:
    plain = isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    return str(value) if plain else json.dumps(value, ensure_ascii=False)
