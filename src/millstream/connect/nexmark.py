"""The Nexmark benchmark's events: persons, auctions and bids in one table, the same in every run.

delivery   exactly once: an event is a function of the options and its number, and the number is in
           the checkpoint
split      one per generator, ``0`` … ; all over the same event time, with disjoint ids
table      ``event_type INT`` (0 person, 1 auction, 2 bid) and the rows ``person``, ``auction`` and
           ``bid``, of which two are NULL; columns and fields may be left out
pace       ``max-emit-speed``: as fast as they can be made; else each at its event time after start
bad row    none
source     the options of github.com/nexmark/nexmark, with their defaults
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import polars as pl

from millstream.connect.nexmark_values import FIRST_EVENT_ID, TYPES, Events, Shape
from millstream.errors import OptionError, TypeMismatch, UnknownName
from millstream.ports.connector import Chunk, Connector, End, Reader, Source, SourceSpec
from millstream.settings import option
from millstream.types import LogicalType, Row

BASE_TIME = "2026-01-01T00:00:00"
NOW = "now"
AVG_BYTES_MAX = 256 << 10
DUE_LEAST_S = 0.02
"""Paced events are handed out at most this often, so that a batch is worth its fixed cost."""
_EVENTS_MAX = (1 << 63) - 1
_NO_EFFECT = "Taken for the sake of the original's DDL; it has no effect, there as here."


class RateShape(Enum):
    """How the original would change its rate, if it did."""

    SQUARE = "square"
    SINE = "sine"


@dataclass(frozen=True, slots=True, kw_only=True)
class NexmarkConfig:
    """How many events, how close in time, and of which mixture."""

    events: int = option(
        "events.num", "Events of all generators; 0 = without end.", default=0, kind="int"
    )
    stop_at: int = option(
        "stop-at", "End after so many events, if that is sooner; -1 = do not.", default=-1,
        kind="int",
    )  # fmt: skip
    keep_alive: bool = option(
        "keep-alive", "Stay open after the last event.", default=False, kind="bool"
    )
    max_emit_speed: bool = option(
        "max-emit-speed",
        "Give events as fast as they can be made; false = each when its event time has come, "
        "counted from the start.",
        default=True,
        kind="bool",
    )
    first_rate: int = option(
        "first-event.rate",
        "Events in a second of event time, of all generators; it decides how dense the events are.",
        default=10_000,
        kind="int",
    )
    next_rate: int = option("next-event.rate", _NO_EFFECT, default=10_000, kind="int")
    rate_shape: RateShape = option("rate.shape", _NO_EFFECT, default=RateShape.SQUARE, kind="enum")
    rate_period_ms: int = option("rate.period", _NO_EFFECT, default=600_000, kind="duration_ms")
    rate_limited: bool = option("rate.limited", _NO_EFFECT, default=False, kind="bool")
    person_share: int = option(
        "person.proportion", "Persons among so many events as all proportions add up to.",
        default=1, kind="int",
    )  # fmt: skip
    auction_share: int = option("auction.proportion", "Auctions, likewise.", default=3, kind="int")
    bid_share: int = option("bid.proportion", "Bids, likewise.", default=46, kind="int")
    hot_auctions: int = option(
        "bid.hot-ratio.auctions", "All but one in so many bids are for a hot auction.", default=2,
        kind="int",
    )  # fmt: skip
    hot_bidders: int = option(
        "bid.hot-ratio.bidders", "All but one in so many bids are by a hot bidder.", default=4,
        kind="int",
    )  # fmt: skip
    hot_sellers: int = option(
        "auction.hot-ratio.sellers", "All but one in so many auctions are of a hot seller.",
        default=4, kind="int",
    )  # fmt: skip
    person_bytes: int = option(
        "person.avg-size", "Size of a person, which 'extra' fills up.", default=200, kind="bytes"
    )
    auction_bytes: int = option(
        "auction.avg-size", "Size of an auction, likewise.", default=500, kind="bytes"
    )
    bid_bytes: int = option("bid.avg-size", "Size of a bid, likewise.", default=100, kind="bytes")
    generators: int = option(
        "generators",
        "Splits; the original has as many as its job is parallel, which spreads ids and times.",
        default=1,
        kind="int",
    )
    seed: int = option(
        "seed", "Start of the random numbers; the original has none.", default=0, kind="int"
    )
    base_time: str = option(
        "base-time",
        "Event time starts here; 'now' = when the job starts, as in the original.",
        default=BASE_TIME,
    )

    @property
    def events_total(self) -> int | None:
        """Return how many events there are; None = without end."""
        given = [n for n in (self.events or -1, self.stop_at) if n >= 0]
        return min(given) if given else None

    @property
    def epoch(self) -> int:
        """Return after how many events the mixture of kinds begins anew."""
        return self.person_share + self.auction_share + self.bid_share

    @property
    def bounded(self) -> bool:
        """Whether the source ends."""
        return self.events_total is not None and not self.keep_alive

    def shape(self, base_ms: int) -> Shape:
        """Return what the values depend on."""
        return Shape(
            delay_us=1e6 / self.first_rate * self.generators,
            base_ms=base_ms,
            proportions=(self.person_share, self.auction_share, self.bid_share),
            hot_auctions=self.hot_auctions,
            hot_bidders=self.hot_bidders,
            hot_sellers=self.hot_sellers,
            avg_bytes=(self.person_bytes, self.auction_bytes, self.bid_bytes),
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """What one generator makes: ``events`` None = without end."""

    first_event_id: int
    events: int | None


class NexmarkSource(Source):
    """The events of one table."""

    def __init__(self, spec: SourceSpec) -> None:
        self._config: NexmarkConfig = spec.config
        self._wanted = spec.physical
        self._base_ms = _base_ms(self._config.base_time)
        self.bounded = self._config.bounded

    def splits(self) -> Sequence[str]:
        """There is one per generator."""
        return tuple(str(i) for i in range(self._config.generators))

    def open(self, split: str, *, resume: Any | None) -> Reader:
        """Make events from the event number ``resume`` on, over the time that was drawn first."""
        assert split in self.splits(), f"Nexmark has no split '{split}'"
        given, base_ms = (0, self._base_ms) if resume is None else _place(resume)
        part = self._part(int(split))
        shape = self._config.shape(base_ms)
        events = Events(shape, self._config.seed, part.first_event_id, self._wanted)
        return _NexmarkReader(self._config, events, shape, part.events, given)

    def _part(self, number: int) -> _Part:
        """Return the share of a generator; the last one gets what does not divide."""
        config, parts = self._config, self._config.generators
        last = number == parts - 1

        def share(of: int) -> int:
            return of // parts + (of % parts if last else 0)

        # Where there is no end, the original divides a number that leaves room for all sizes.
        room = config.epoch * max(config.person_bytes, config.auction_bytes,
                                           config.bid_bytes, 1)  # fmt: skip
        whole = config.events or _EVENTS_MAX // room
        ends = [share(n) for n in (config.events or -1, config.stop_at) if n >= 0]
        return _Part(FIRST_EVENT_ID + number * (whole // parts), min(ends) if ends else None)


class _NexmarkReader(Reader):
    def __init__(
        self, config: NexmarkConfig, events: Events, shape: Shape, total: int | None, given: int
    ) -> None:
        self._events = events
        self._total = total
        self._keep_alive = config.keep_alive
        self._paced = not config.max_emit_speed
        self._delay_s = shape.delay_us / 1e6
        self._base_ms = shape.base_ms
        self._given = self._given_first = given
        self._first_s = time.monotonic()
        self._closed = threading.Event()

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        """Return the events that are due, waiting for one at most so long."""
        left = max_rows
        if self._total is not None:
            left = min(left, self._total - self._given)
        if left <= 0 or self._closed.is_set():
            if not self._keep_alive or self._closed.is_set():
                raise End
            self._closed.wait(timeout_s)
            return None
        if self._paced:
            left = self._due(left, timeout_s)
            if left <= 0:
                return None
        first, self._given = self._given, self._given + left
        frame = self._events.frame(first, left)
        return Chunk(
            frame=frame,
            resume={"event": self._given, "base_ms": self._base_ms},
            offsets=pl.int_range(first, self._given, eager=True),
            bytes=int(frame.estimated_size()),
            pending=None if self._total is None else self._total - self._given,
        )

    def close(self) -> None:
        """End a wait."""
        self._closed.set()

    def _due(self, most: int, timeout_s: float) -> int:
        """Return how many events have happened by now; a restart begins a new count."""
        done = self._given - self._given_first
        next_s = self._first_s + (done + 1) * self._delay_s - time.monotonic()
        if next_s > 0:
            self._closed.wait(min(max(next_s, DUE_LEAST_S), timeout_s))
        happened = int((time.monotonic() - self._first_s) / self._delay_s)
        return max(0, min(most, happened - done))


def _place(resume: Any) -> tuple[int, int]:
    return int(resume["event"]), int(resume["base_ms"])


def _base_ms(text: str) -> int:
    if text.strip().lower() == NOW:
        return time.time_ns() // 1_000_000
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise OptionError(
            f"The option 'base-time' cannot be '{text}'.",
            hint=f"Write it as {BASE_TIME}, or '{NOW}'.",
        ) from None
    zoned = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
    return round(zoned.timestamp() * 1000)


def _source(spec: SourceSpec) -> NexmarkSource:
    where = f"table '{spec.table.name}'"
    _check_options(spec.config, where)
    for column in spec.table.physical:
        expected = TYPES.get(column.name)
        if expected is None:
            raise UnknownName("column", column.name, available=TYPES, where=where)
        _check_type(column.name, column.type, expected, where)
    return NexmarkSource(spec)


def _check_type(path: str, declared: LogicalType, expected: LogicalType, where: str) -> None:
    if isinstance(expected, Row) and isinstance(declared, Row) and declared.nullable:
        known = dict(expected.fields)
        for name, dtype in declared.fields:
            if name not in known:
                raise UnknownName(f"field of '{path}'", name, available=known, where=where)
            _check_type(f"{path}.{name}", dtype, known[name], where)
        return
    # Fields are never NULL in a row that is there; the row itself is NULL in most events.
    same = declared if "." not in path and path != "event_type" else declared.with_nullable(True)
    if same != expected:
        kind = "ROW<…>, which may be NULL" if isinstance(expected, Row) else str(expected)
        raise TypeMismatch(
            f"'{path}' is {declared}, the events of Nexmark have {kind} there.",
            where=where,
            hint=f"Declare it as {kind}, or leave it out and compute a column from it.",
        )


def _check_options(config: NexmarkConfig, where: str) -> None:
    least = {
        "events.num": (config.events, 0),
        "stop-at": (config.stop_at, -1),
        "first-event.rate": (config.first_rate, 1),
        "person.proportion": (config.person_share, 0),
        "auction.proportion": (config.auction_share, 0),
        "bid.proportion": (config.bid_share, 0),
        "bid.hot-ratio.auctions": (config.hot_auctions, 1),
        "bid.hot-ratio.bidders": (config.hot_bidders, 1),
        "auction.hot-ratio.sellers": (config.hot_sellers, 1),
        "generators": (config.generators, 1),
        "person.proportion + auction.proportion + bid.proportion": (config.epoch, 1),
    }
    for name, (value, smallest) in least.items():
        if value < smallest:
            raise OptionError(
                f"The option '{name}' cannot be {value}.",
                where=where,
                hint=f"A number from {smallest} on is expected.",
            )
    for name in ("person", "auction", "bid"):
        size: int = getattr(config, f"{name}_bytes")
        if size > AVG_BYTES_MAX:
            raise OptionError(
                f"The option '{name}.avg-size' cannot be {size} bytes.",
                where=where,
                hint=f"{AVG_BYTES_MAX} bytes is the most.",
            )


def _bounded(config: NexmarkConfig) -> bool:
    return config.bounded


CONNECTOR = Connector(
    name="nexmark",
    doc="The Nexmark benchmark's persons, auctions and bids, the same ones in every run.",
    config=NexmarkConfig,
    source=_source,
    bounded=_bounded,
    narrows=True,
    guarantee="exactly once: an event is a function of its number, which is in the checkpoint",
)
