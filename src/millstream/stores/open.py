"""From an address to its store: a folder of this machine, or a bucket."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from millstream.errors import OptionError
from millstream.ports.store import Store
from millstream.settings import Settings
from millstream.stores.disk import DiskStore

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


OTHERS: dict[str, Callable[[str], Store]] = {}
"""Stores by schemes that are not ours: a simulator's, a program's own."""


def open_store(address: str | os.PathLike[str], settings: Settings | None = None) -> Store:
    """Return the store at an address; nothing is written, and a folder need not be there yet."""
    text = os.fspath(address)
    found = _SCHEME.match(text)
    if found is None:
        return DiskStore(Path(text).expanduser())
    scheme = found[1].lower()
    if scheme in OTHERS:
        return OTHERS[scheme](text)
    if scheme == "file":
        return DiskStore(text[found.end() :])
    from millstream.stores.object import SCHEMES, ObjectStore

    if scheme not in SCHEMES:
        raise OptionError(
            f"There is no store for '{scheme}://'.",
            hint="Give a folder, or s3://…, gs://…, az://….",
        )
    return ObjectStore(text, settings or Settings())


def is_same_place(one: str, other: str) -> bool:
    """Tell whether two addresses are one place, as far as their texts say."""
    if _SCHEME.match(one) or _SCHEME.match(other):
        return one.rstrip("/") == other.rstrip("/")
    return Path(one).expanduser().resolve() == Path(other).expanduser().resolve()


def full_address(text: str) -> str:
    """Return an address that means the same in another working folder."""
    return text if _SCHEME.match(text) else str(Path(text).expanduser().resolve())
