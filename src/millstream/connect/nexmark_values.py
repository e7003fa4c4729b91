"""The events of Nexmark: an auction house with persons, auctions and bids, made column by column.

in      a split's first event id, the number of its first event wanted, and how many
out     ``event_type`` and the rows ``person``, ``auction`` and ``bid``, of which two are NULL
equal   ids, types and times are those of the generator of github.com/nexmark/nexmark; what it draws
        without a seed is drawn here by seed, with the same distribution
source  Tucker et al., "NEXMark: A Benchmark for Queries over Data Streams", 2002
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import pyarrow as pa

from millstream.columns.physical import polars_type
from millstream.connect.nexmark_texts import (
    CHANNELS,
    HOT_CHANNELS,
    POOL_CHARS,
    SPACED,
    Draws,
    Ints,
    Pools,
    Texts,
    Words,
    beside,
    pools,
    texts_at,
    texts_of,
)
from millstream.types import LogicalType, Row, Schema, parse_type

PERSON, AUCTION, BID = 0, 1, 2
KINDS = ("person", "auction", "bid")
FIRST_EVENT_ID = 1
FIRST_EVENT_NUMBER = 1
TYPES: Mapping[str, LogicalType] = {
    "event_type": parse_type("INT"),
    "person": parse_type(
        "ROW<id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING, "
        "state STRING, `dateTime` TIMESTAMP(3), extra STRING>"
    ),
    "auction": parse_type(
        "ROW<id BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT, "
        "`dateTime` TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, "
        "extra STRING>"
    ),
    "bid": parse_type(
        "ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, "
        "`dateTime` TIMESTAMP(3), extra STRING>"
    ),
}

_FIRST_ID, _FIRST_CATEGORY, _CATEGORIES = 1000, 10, 5
_HOT_GROUP, _LEAD = 100, 10
_AUCTIONS_IN_FLIGHT, _PEOPLE_ACTIVE = 100, 1000
# fmt: off
_FIRST_NAMES = (
    "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter",
)
_LAST_NAMES = (
    "Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris",
)
_CITIES = (
    "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle",
    "Kent", "Cheyenne",
)
# fmt: on
_STATES = ("AZ", "CA", "ID", "OR", "WA", "WY")
_CARD_CHARS = 19
_NAME_POOL = texts_of([f"{a} {b}".encode() for a in _FIRST_NAMES for b in _LAST_NAMES])
_CITY_POOL = texts_of([city.encode() for city in _CITIES])
_STATE_POOL = texts_of([state.encode() for state in _STATES])


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What decides about the events besides the seed."""

    delay_us: float
    base_ms: int
    proportions: tuple[int, int, int] = (1, 3, 46)
    hot_auctions: int = 2
    hot_bidders: int = 4
    hot_sellers: int = 4
    avg_bytes: tuple[int, int, int] = (200, 500, 100)

    @property
    def epoch(self) -> int:
        """Events after which the mixture of kinds begins anew."""
        return sum(self.proportions)

    def times_ms(self, numbers: Ints) -> Ints:
        """Return when events of these numbers happen."""
        passed_ms: Ints = np.floor(numbers * self.delay_us).astype(np.int64) // 1000
        return self.base_ms + passed_ms


class Events:
    """Makes the events of one split."""

    def __init__(self, shape: Shape, seed: int, first_event_id: int, wanted: Schema) -> None:
        self._shape = shape
        self._draws = Draws(seed)
        self._pools = pools(seed)
        self._first_event_id = first_event_id
        self._wanted = {f.name: f.type for f in wanted}

    def frame(self, first: int, count: int) -> pl.DataFrame:
        """Return ``count`` events after the ``first`` ones of the split."""
        numbers = np.arange(FIRST_EVENT_NUMBER + first, FIRST_EVENT_NUMBER + first + count)
        ids = self._first_event_id + numbers
        persons, auctions, _ = self._shape.proportions
        place = ids % self._shape.epoch
        kind = (place >= persons).astype(np.int32) + (place >= persons + auctions)
        columns: list[pl.Series] = []
        for name, dtype in self._wanted.items():
            if name == "event_type":
                columns.append(pl.Series(name, kind, dtype=pl.Int32))
                continue
            here = kind == KINDS.index(name)
            at = np.flatnonzero(here)
            some = _Some(self._shape, self._draws, self._pools, ids[at], numbers[at])
            assert isinstance(dtype, Row), f"{name} is not a ROW"
            columns.append(_struct(name, dtype, _MAKERS[name](some), here, at))
        return pl.DataFrame(columns) if columns else pl.DataFrame(height=count)


def _struct(name: str, dtype: Row, maker: _Maker, here: np.ndarray, at: Ints) -> pl.Series:
    """Return a column of rows that are NULL where ``here`` is false."""
    count = len(here)
    valid = pa.py_buffer(np.packbits(here, bitorder="little"))
    kinds: list[pa.Field] = []
    children: list[pa.Array] = []
    for field, field_type in dtype.fields:
        made = maker.column(field)
        if isinstance(made, Texts):
            views = np.zeros((count, 2), np.uint64)
            views[at] = made.views
            arrow, buffers = pa.string_view(), [valid, pa.py_buffer(views), made.data]
        else:
            whole = np.zeros(count, np.int64)
            whole[at] = made
            time = isinstance(polars_type(field_type), pl.Datetime)
            arrow = pa.timestamp("ms") if time else pa.int64()
            buffers = [valid, pa.py_buffer(whole)]
        kinds.append(pa.field(field, arrow))
        children.append(pa.Array.from_buffers(arrow, count, buffers))
    rows = pa.Array.from_buffers(pa.struct(kinds), count, [valid], children=children)
    return pl.Series(name, rows)


# --------------------------------------------------------------------------------------- fields


@dataclass(frozen=True, slots=True)
class _Some:
    """Events of one kind: their ids and numbers, and what values are drawn from."""

    shape: Shape
    draws: Draws
    pools: Pools
    ids: Ints
    numbers: Ints

    def below(self, purpose: str, limit: Ints | int) -> Ints:
        return self.draws.below(self.ids, purpose, limit)

    def times_ms(self) -> Ints:
        return self.shape.times_ms(self.numbers)

    def last_person(self) -> Ints:
        """Return the newest person of the time, counted from 0."""
        persons = self.shape.proportions[PERSON]
        epochs, place = np.divmod(self.ids, self.shape.epoch)
        last: Ints = epochs * persons + np.minimum(place, persons - 1)
        return last

    def last_auction(self) -> Ints:
        """Return the newest auction of the time of an auction or bid, counted from 0."""
        persons, auctions, _ = self.shape.proportions
        epochs, place = np.divmod(self.ids, self.shape.epoch)
        last: Ints = epochs * auctions + np.minimum(place - persons, auctions - 1)
        return last

    def any_person(self, purpose: str, last: Ints) -> Ints:
        """Return one of the active persons, or one of the next few."""
        active = np.minimum(last + 1, _PEOPLE_ACTIVE)
        return last + 1 - active + self.below(purpose, active + _LEAD)

    def any_auction(self, purpose: str, last: Ints) -> Ints:
        """Return one of the auctions in flight, or one of the next few."""
        first = np.maximum(last - _AUCTIONS_IN_FLIGHT, 0)
        return first + self.below(purpose, last - first + 1 + _LEAD)

    def filling(self, kind: int, current: Ints | int) -> Texts:
        """Return the filling that brings rows of ``current`` bytes to their average size."""
        room = np.broadcast_to(self.shape.avg_bytes[kind] - np.asarray(current), self.ids.shape)
        spread = np.floor(room * 0.2 + 0.5).astype(np.int64)
        sizes = room - spread + self.below("extra size", np.maximum(2 * spread, 0))
        sizes = np.where(room < 0, 0, sizes)
        starts = self.below("extra start", POOL_CHARS - sizes)
        return texts_at(self.pools.letters, starts, sizes)


def _hot(last: Ints) -> Ints:
    """Return the first one of the hundred that ``last`` is in."""
    return np.maximum(last, 0) // _HOT_GROUP * _HOT_GROUP


class _Maker:
    """Makes the fields of one kind of event; a field that others need is made once."""

    def __init__(self, some: _Some) -> None:
        self._some = some

    def column(self, field: str) -> Ints | Texts:
        """Return a field's values."""
        made = getattr(self, field)
        assert isinstance(made, np.ndarray | Texts), f"{field} is no column"
        return made

    @cached_property
    def dateTime(self) -> Ints:  # noqa: N802 (fields have the names of the benchmark)
        return self._some.times_ms()


class _Persons(_Maker):
    @property
    def id(self) -> Ints:
        return self._some.last_person() + _FIRST_ID

    @cached_property
    def name(self) -> Texts:
        first = self._some.below("first name", len(_FIRST_NAMES))
        last = self._some.below("last name", len(_LAST_NAMES))
        return _NAME_POOL.take(first * len(_LAST_NAMES) + last)

    @cached_property
    def emailAddress(self) -> Texts:  # noqa: N802
        draws, ids = self._some.draws, self._some.ids
        user = draws.letters(ids, "email user", 7, SPACED).trimmed()
        host = draws.letters(ids, "email host", 5, SPACED).trimmed()
        return beside(len(ids), user, b"@", host, b".com").texts()

    @property
    def creditCard(self) -> Texts:  # noqa: N802
        count = len(self._some.ids)
        digits = np.full((count, _CARD_CHARS), ord(" "), np.uint8)
        for group in range(4):
            number = self._some.below(f"card {group}", 10_000)
            for place, power in enumerate((1000, 100, 10, 1)):
                digits[:, 5 * group + place] = ord("0") + number // power % 10
        return Words(digits, np.ones(digits.shape, bool)).texts()

    @cached_property
    def city(self) -> Texts:
        return _CITY_POOL.take(self._some.below("city", len(_CITIES)))

    @cached_property
    def state(self) -> Texts:
        return _STATE_POOL.take(self._some.below("state", len(_STATES)))

    @property
    def extra(self) -> Texts:
        texts = (self.name, self.emailAddress, self.city, self.state)
        return self._some.filling(PERSON, 8 + _CARD_CHARS + sum(t.sizes for t in texts))


class _Auctions(_Maker):
    @property
    def id(self) -> Ints:
        return self._some.last_auction() + _FIRST_ID

    @cached_property
    def itemName(self) -> Texts:  # noqa: N802
        words = self._some.draws.letters(self._some.ids, "item name", 20, SPACED)
        return words.trimmed().texts()

    @cached_property
    def description(self) -> Texts:
        words = self._some.draws.letters(self._some.ids, "description", 100, SPACED)
        return words.trimmed().texts()

    @cached_property
    def initialBid(self) -> Ints:  # noqa: N802
        return self._some.draws.prices(self._some.ids, "initial bid")

    @property
    def reserve(self) -> Ints:
        return self.initialBid + self._some.draws.prices(self._some.ids, "reserve")

    @property
    def expires(self) -> Ints:
        shape = self._some.shape
        ahead = _AUCTIONS_IN_FLIGHT * shape.epoch // max(shape.proportions[AUCTION], 1)
        horizon = shape.times_ms(self._some.numbers + ahead) - self.dateTime
        limit = np.maximum(horizon * 2, 1).view(np.uint64)
        drawn = self._some.draws.bits(self._some.ids, "expires") % limit
        length_ms: Ints = 1 + drawn.view(np.int64)
        return self.dateTime + length_ms

    @property
    def seller(self) -> Ints:
        last = self._some.last_person()
        hot = self._some.below("hot seller", self._some.shape.hot_sellers) > 0
        return np.where(hot, _hot(last), self._some.any_person("seller", last)) + _FIRST_ID

    @property
    def category(self) -> Ints:
        return self._some.below("category", _CATEGORIES) + _FIRST_CATEGORY

    @property
    def extra(self) -> Texts:
        return self._some.filling(AUCTION, 48 + self.itemName.sizes + self.description.sizes)


class _Bids(_Maker):
    @property
    def auction(self) -> Ints:
        last = self._some.last_auction()
        hot = self._some.below("hot auction", self._some.shape.hot_auctions) > 0
        return np.where(hot, _hot(last), self._some.any_auction("auction", last)) + _FIRST_ID

    @property
    def bidder(self) -> Ints:
        last = self._some.last_person()
        hot = self._some.below("hot bidder", self._some.shape.hot_bidders) > 0
        bidder = np.where(hot, _hot(last) + 1, self._some.any_person("bidder", last))
        # The original adds the first id twice: a bidder is a person created 1000 persons later.
        return bidder + 2 * _FIRST_ID

    @property
    def price(self) -> Ints:
        return self._some.draws.prices(self._some.ids, "price")

    @cached_property
    def _channel(self) -> Ints:
        """Places in the pools: one half of the bids comes through the four hot channels."""
        hot = self._some.below("hot channel", 2 * len(HOT_CHANNELS))
        cold = self._some.below("channel", CHANNELS)
        return np.where(hot < len(HOT_CHANNELS), CHANNELS + hot, cold)

    @property
    def channel(self) -> Texts:
        return self._some.pools.channels.take(self._channel)

    @property
    def url(self) -> Texts:
        return self._some.pools.urls.take(self._channel)

    @property
    def extra(self) -> Texts:
        return self._some.filling(BID, 32)


_MAKERS: Mapping[str, type[_Maker]] = {"person": _Persons, "auction": _Auctions, "bid": _Bids}
