"""Blobs in this process: for tests, and for pipelines that need a store but no crash survival.

A :class:`MemoryStore` given a ``blobs`` mapping shares it: two stores over one mapping are two
processes over one place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, MutableMapping

from millstream.ports.store import Bytes, NotThere, Store
from millstream.stores.names import checked

_LOCK = threading.Lock()
_OWNED: dict[int, MutableMapping[str, bytes]] = {}
"""By identity; kept alive, for the identity of what is gone is given to another."""


class MemoryStore(Store):
    """A mapping of names to bytes."""

    def __init__(
        self, place: str = "memory", blobs: MutableMapping[str, bytes] | None = None
    ) -> None:
        self.place = place
        self.blobs: MutableMapping[str, bytes] = {} if blobs is None else blobs

    def put(self, name: str, data: Bytes) -> None:
        with _LOCK:
            self.blobs[checked(name)] = bytes(data)

    def put_new(self, name: str, data: Bytes) -> bool:
        with _LOCK:
            if checked(name) in self.blobs:
                return False
            self.blobs[name] = bytes(data)
            return True

    def get(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
        with _LOCK:
            data = self._found(name)
        return data[start:] if length is None else data[start : start + length]

    def names(self, prefix: str = "") -> list[str]:
        with _LOCK:
            return sorted(name for name in self.blobs if name.startswith(prefix))

    def size(self, name: str) -> int:
        with _LOCK:
            return len(self._found(name))

    def delete(self, name: str) -> None:
        with _LOCK:
            self.blobs.pop(checked(name), None)

    def own(self) -> Callable[[], None] | None:
        key = id(self.blobs)
        with _LOCK:
            if key in _OWNED:
                return None
            _OWNED[key] = self.blobs

        def free() -> None:
            with _LOCK:
                _OWNED.pop(key, None)

        return free

    def _found(self, name: str) -> bytes:
        found = self.blobs.get(checked(name))
        if found is None:
            raise NotThere(f"There is no '{name}'.", where=self.place)
        return found
