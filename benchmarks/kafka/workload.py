"""The documents of the Kafka section, and what the right answers over them are.

in      how many events
out     documents as bytes (230 each, equal on every run), with key, partition and event time; per
        case the number of result rows and a checksum that does not depend on their order
end     after the last event each partition gets one document of the user END, an hour later, of
        another kind: it closes the windows of peers that never see an end, is dropped by the
        filter and counts in the pass-through
answer  changes are folded, and a result row is compared by its values: neither the order of JSON
        fields nor the way a time is written matters
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

PARTITIONS = 2
USERS = 1_000
BEGIN_MS = 1_767_225_600_000
"""2026-01-01 00:00:00 UTC: in the past, for a broker refuses times that are far ahead."""
EVENTS_PER_MS = 5
JITTER_MS = 400
"""So much may a document's time lie ahead of its place; watermarks stay a second behind."""
WINDOW_MS = 10_000
KEPT = "sold"
END = "~end"
FIRST_ID = 1_000_000_000
"""So that all documents have the same length."""
DOCUMENT_BYTES = 230
CASES = ("window", "filter", "pass")
_KINDS = ("view", "cart", "list", "find", "view", "cart", "list", "find", "view", KEPT)
_MASK = (1 << 64) - 1


class Event(msgspec.Struct, frozen=True):
    """A document of the input, and a result of the filter and of the pass-through."""

    id: int
    user: str
    ts: int
    kind: str
    price: int
    item: str
    page: str
    agent: str


class Count(msgspec.Struct, frozen=True):
    """A result of the windowed count; the time as milliseconds or as SQL writes it."""

    window_start: int | str
    user: str
    n: int


class Change(msgspec.Struct, frozen=True):
    """What Pathway writes beside a result: -1 takes one back that it gave before."""

    diff: int = 1


@dataclass(slots=True)
class Answer:
    """The result rows of a case, folded into their number and a sum of hashes."""

    rows: int = 0
    total: int = 0

    def add(self, row: Event | Count, times: int = 1) -> None:
        """Take one row, or one back (-1); the order of rows does not matter."""
        cells = msgspec.structs.astuple(row)
        if isinstance(row, Count):
            cells = (_millis(row.window_start), row.user, row.n)
        digest = hashlib.blake2b(repr(cells).encode(), digest_size=8).digest()
        self.rows += times
        self.total = (self.total + times * int.from_bytes(digest, "little")) & _MASK

    @property
    def checksum(self) -> str:
        """The sum as text."""
        return f"{self.total:016x}"


@dataclass(slots=True)
class Expected:
    """The right answers of all cases, folded while the documents are made."""

    window: Counter[tuple[int, str]] = field(default_factory=Counter)
    filter: Answer = field(default_factory=Answer)
    passed: Answer = field(default_factory=Answer)

    def add(self, event: Event, *, all_rows: bool) -> None:
        """Take a document; ``all_rows``: the pass-through is asked for as well."""
        if event.user != END:
            self.window[event.ts - event.ts % WINDOW_MS, event.user] += 1
        if event.kind == KEPT:
            self.filter.add(event)
        if all_rows:
            self.passed.add(event)

    def answers(self) -> dict[str, Answer]:
        """Return the answer per case."""
        window = Answer()
        for (start_ms, user), n in self.window.items():
            window.add(Count(start_ms, user, n))
        return {"window": window, "filter": self.filter, "pass": self.passed}


def events(count: int) -> Iterator[tuple[int, Event]]:
    """Make the documents, each with the partition it belongs to, the last ones of END."""
    for number in range(count):
        drawn = (number * 0x9E3779B97F4A7C15 & _MASK) >> 20  # spreads, and needs no state
        user = drawn % USERS
        yield (
            user % PARTITIONS,
            Event(
                id=FIRST_ID + number,
                user=f"u{user:05d}",
                ts=BEGIN_MS + number // EVENTS_PER_MS + (drawn >> 12) % JITTER_MS,
                kind=_KINDS[(drawn >> 22) % len(_KINDS)],
                price=10_000 + drawn % 89_999,
                item=f"i{drawn % 10_000_000:08d}",
                page=f"https://shop.example/c{drawn % 97:02d}/p{drawn % 99_991:05d}?ref=mail",
                agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            ),
        )
    for partition in range(PARTITIONS):
        end_ms = BEGIN_MS + count // EVENTS_PER_MS + 3_600_000
        yield partition, Event(FIRST_ID + count + partition, END, end_ms, "last", 0, "", "", "")


def decoder(case: str) -> msgspec.json.Decoder[Event] | msgspec.json.Decoder[Count]:
    """Return what reads a result row of a case; fields a peer adds are skipped."""
    if case == "window":
        return msgspec.json.Decoder(Count)
    return msgspec.json.Decoder(Event)


def counts(row: Event | Count) -> bool:
    """Whether a result row belongs to the answer; windows of END do not."""
    return not isinstance(row, Count) or row.user != END


def _millis(time: int | str) -> int:
    if isinstance(time, int):
        return time
    moment = datetime.fromisoformat(time.replace(" ", "T"))
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
