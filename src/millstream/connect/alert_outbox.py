"""Where alerting keeps what it must not forget: records, in order, in a store.

``log/000000000012``   some records as JSON lines, written once (``put_new``)
``base/000000000012``  the board after the log up to there; what is older is removed

in      records; what ``append`` has returned from survives a crash
owner   two that write the same number: one wins, the other one has been taken over (FENCED)
bad     StoreError; CheckpointError for a file that is damaged
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from millstream.errors import CheckpointError, Domain
from millstream.ports.store import StoreError

if TYPE_CHECKING:
    from millstream.ports.store import Store

Record = dict[str, Any]
LOG, BASE = "log/", "base/"
COMPACT_AFTER = 256
"""So many files of the log are put into one."""
FOLDER = "alerts"
"""The folder of the outbox inside that of the checkpoints."""


class Outbox(ABC):
    """Records in order."""

    place: str | None = None
    """Where they are kept; None = in memory."""

    @abstractmethod
    def load(self) -> tuple[dict[str, Any] | None, list[Record]]:
        """Return the newest base and the records behind it."""

    @abstractmethod
    def append(self, records: Iterable[Record]) -> None:
        """Keep records; durable when this returns."""

    @property
    @abstractmethod
    def is_long(self) -> bool:
        """Whether the log is to be compacted."""

    @abstractmethod
    def compact(self, base: dict[str, Any]) -> None:
        """Put a board in the place of the log."""

    def close(self) -> None:  # noqa: B027 (memory holds nothing)
        """Free the store."""


class MemoryOutbox(Outbox):
    """Forgets everything with the process; the board itself is all there is."""

    is_long = False

    def load(self) -> tuple[dict[str, Any] | None, list[Record]]:
        return None, []

    def append(self, records: Iterable[Record]) -> None:
        """Nothing is kept."""

    def compact(self, base: dict[str, Any]) -> None:
        """There is no log."""


class StoreOutbox(Outbox):
    """Files of a store; owned by one process at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.place = store.place
        self._last = 0
        self._first = 1

    def load(self) -> tuple[dict[str, Any] | None, list[Record]]:
        bases = self._store.names(BASE)
        base: dict[str, Any] | None = None
        self._last = 0
        if bases:
            self._last = _number(bases[-1])
            base = self._whole(bases[-1])
        records: list[Record] = []
        for name in self._store.names(LOG):
            number = _number(name)
            if number <= self._last:
                continue
            if number != self._last + 1:
                raise self._damaged(f"{LOG}{self._last + 1:012d} is missing")
            records.extend(self._lines(name))
            self._last = number
        self._first = _number(bases[-1]) + 1 if bases else 1
        return base, records

    def append(self, records: Iterable[Record]) -> None:
        text = "".join(json.dumps(r, separators=(",", ":")) + "\n" for r in records)
        if not text:
            return
        if not self._store.put_new(f"{LOG}{self._last + 1:012d}", text.encode()):
            raise StoreError(
                "Another process writes the alerts of this pipeline.",
                where=self.place,
                hint="Let only one of them run: this one stops here.",
                domain=Domain.FENCED,
            )
        self._last += 1

    @property
    def is_long(self) -> bool:
        return self._last - self._first + 1 >= COMPACT_AFTER

    def compact(self, base: dict[str, Any]) -> None:
        name = f"{BASE}{self._last:012d}"
        self._store.put(name, json.dumps(base, separators=(",", ":")).encode())
        self._first = self._last + 1
        for old in self._store.names(BASE):
            if old < name:
                self._store.delete(old)
        for old in self._store.names(LOG):
            if _number(old) <= self._last:
                self._store.delete(old)

    def close(self) -> None:
        self._store.close()

    def _whole(self, name: str) -> dict[str, Any]:
        return self._parsed(self._store.get(name), name)

    def _lines(self, name: str) -> Iterator[Record]:
        for line in self._store.get(name).splitlines():
            yield self._parsed(line, name)

    def _parsed(self, text: bytes, name: str) -> dict[str, Any]:
        try:
            said = json.loads(text)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise self._damaged(name)
        return said

    def _damaged(self, what: str) -> CheckpointError:
        return CheckpointError(
            f"The record of alerts is damaged: {what}.",
            where=self.place,
            hint="Restore it from a backup, or remove the folder: who was told what is forgotten.",
        )


def _number(name: str) -> int:
    return int(name.rpartition("/")[2])
