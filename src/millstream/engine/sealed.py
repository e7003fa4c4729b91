"""JSON blobs that know when they were altered.

A sealed blob is a JSON object whose first entry, ``seal``, is the hash of all the bytes behind it.
Older versions read it as the plain object it is, and find its ``format``.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from millstream.engine.checkpoint import Damaged
from millstream.ports.store import NotThere, Store

_HEX = 32
_START, _MIDDLE = b'{"seal": "', b'", '
_BODY = len(_START) + _HEX + len(_MIDDLE)
REMEDY = "Restore it from a backup, or start in a new folder."


def seal(value: dict[str, Any]) -> bytes:
    """Return a JSON object as a sealed blob."""
    assert value, "nothing is not sealed"
    rest = json.dumps(value).encode()[1:]
    return _START + _digest(rest) + _MIDDLE + rest


def read(store: Store, name: str, *, plain: bool = False) -> dict[str, Any]:
    """Return a sealed blob; raises Damaged. ``plain``: also one of a version that did not seal."""
    try:
        data = store.get(name)
    except NotThere:
        raise damaged(store, name, "is missing") from None
    sealed = data.startswith(_START)
    if sealed and data[len(_START) : len(_START) + _HEX] != _digest(data[_BODY:]):
        raise damaged(store, name, "is damaged: its hash is another")
    if not sealed and not plain:
        raise damaged(store, name, "is damaged: it has no seal")
    try:
        found = json.loads(data)
    except ValueError:
        raise damaged(store, name, "is damaged: it is no JSON") from None
    if not isinstance(found, dict):
        raise damaged(store, name, "is damaged: it is no JSON object")
    found.pop("seal", None)
    return found


def damaged(store: Store, name: str, how: str, hint: str = REMEDY) -> Damaged:
    """Return the error for a blob that cannot be used."""
    return Damaged(f"'{name}' {how}.", where=store.place, hint=hint)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_HEX // 2).hexdigest().encode()
