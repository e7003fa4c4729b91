"""The contract of a store: named blobs that survive a crash, on a disk or in an object store.

Checkpoints, savepoints and dead letters are kept in one. A name is a relative path with ``/``; a
blob is written whole and never changed. What a call has returned from is durable.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from millstream.errors import ConnectorError, Domain, Retry

Bytes = bytes | bytearray | memoryview


class StoreError(ConnectorError):
    """A store that does not do what was asked: full, unreachable, forbidden."""

    def __init__(
        self,
        fact: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        retry: Retry = Retry.NEVER,
        domain: Domain = Domain.SYSTEM,
    ):
        super().__init__(fact, where=where, hint=hint, retry=retry, domain=domain)


class NotThere(StoreError):
    """No blob of this name."""


class Store(ABC):
    """Blobs below one place; safe to call from several threads."""

    place: str
    """Where it is, for people: a path or an address without secrets."""

    @abstractmethod
    def put(self, name: str, data: Bytes) -> None:
        """Write a blob, replacing one of the same name, atomically."""

    @abstractmethod
    def put_new(self, name: str, data: Bytes) -> bool:
        """Write a blob unless there is one of this name; False if there was: of two, one wins."""

    @abstractmethod
    def get(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
        """Read a blob, or ``length`` bytes of it from ``start``; raises NotThere."""

    @abstractmethod
    def names(self, prefix: str = "") -> list[str]:
        """Return the names of all blobs that begin with ``prefix``, sorted."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Return a blob's bytes; raises NotThere."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove a blob; one that is not there is no error."""

    def own(self) -> Callable[[], None] | None:
        """Keep other processes of this machine out; returns what gives the store free again.

        None: somebody else owns it. A store that cannot tell (an object store) returns a function
        that does nothing; there a second owner is shut out by ``put_new`` alone.
        """
        return lambda: None

    def close(self) -> None:  # noqa: B027 (most stores hold nothing)
        """Free connections; may be called twice."""
