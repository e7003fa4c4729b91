"""Nexmark's events: the right ones, the same ones, wherever the chunks are cut."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from math import sqrt

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from millstream.connect.nexmark import BASE_TIME
from millstream.connect.nexmark_values import TYPES
from millstream.errors import OptionError, TypeMismatch, UnknownName
from millstream.plan.table import Table
from millstream.ports.connector import End
from millstream.ports.registry import config_of, source_for
from millstream.types import Schema
from tests.connect.contract import Expected, SourceContract, read, table_of

WHOLE = Schema.of(dict(TYPES))
KINDS = ("person", "auction", "bid")
BASE_MS = 1_767_225_600_000
EVENTS = 200_000
ORIGINAL = {  # every option of the original, at its default, and a number of events
    "rate.shape": "SQUARE",
    "rate.period": "600 s",
    "rate.limited": "false",
    "first-event.rate": "10000",
    "next-event.rate": "10000",
    "person.avg-size": "200b",
    "auction.avg-size": "500b",
    "bid.avg-size": "100b",
    "person.proportion": "1",
    "auction.proportion": "3",
    "bid.proportion": "46",
    "bid.hot-ratio.auctions": "2",
    "bid.hot-ratio.bidders": "4",
    "auction.hot-ratio.sellers": "4",
    "events.num": "100",
    "keep-alive": "false",
    "stop-at": "-1",
    "max-emit-speed": "true",
}


def made(options: Mapping[str, str], schema: Schema = WHOLE, split: str = "0") -> pl.DataFrame:
    reader = source_for(table_of("nexmark", options, schema)).open(split, resume=None)
    return read(reader, max_rows=50_000).frame


@pytest.fixture(scope="module")
def many() -> pl.DataFrame:
    return made({"events.num": str(EVENTS)})


def rows_of(frame: pl.DataFrame, kind: str) -> pl.DataFrame:
    return frame.filter(pl.col(kind).is_not_null()).select(kind).unnest(kind)


class TestNexmark(SourceContract):
    """An epoch and a bit, in two splits that do not divide the number of events."""

    @pytest.fixture
    def table(self) -> Table:
        return table_of("nexmark", {"events.num": "131", "generators": "2", "seed": "3"}, WHOLE)

    @pytest.fixture
    def expected(self, table: Table) -> Mapping[str, Expected]:
        whole = source_for(table)
        return {
            split: Expected(frame=read(whole.open(split, resume=None), max_rows=1000).frame)
            for split in ("0", "1")
        }


# ------------------------------------------------------------------ what follows from the number


def twin(events: int, rate: int, split: int, splits: int) -> Iterator[tuple[int, int, int]]:
    """Kind, id and time of each event, one at a time; bids have no id."""
    share = events // splits
    mine = share if split < splits - 1 else events - share * (splits - 1)
    for number in range(1, mine + 1):
        epoch, place = divmod(1 + split * share + number, 50)
        time_ms = BASE_MS + int(number * (1e6 / rate * splits)) // 1000
        if place < 1:
            yield 0, 1000 + epoch, time_ms
        elif place < 4:
            yield 1, 1000 + 3 * epoch + place - 1, time_ms
        else:
            yield 2, -1, time_ms


@pytest.mark.parametrize(
    ("rate", "split", "splits"), [(10_000, 0, 1), (7, 0, 1), (333, 0, 3), (333, 2, 3)]
)
def test_kinds_ids_and_times_are_the_originals(rate: int, split: int, splits: int) -> None:
    """Figures are compared with others' only if ids and event times are theirs."""
    frame = made(
        {"events.num": "20000", "first-event.rate": str(rate), "generators": str(splits)},
        split=str(split),
    )
    row = [pl.col(kind).struct for kind in KINDS]
    got = frame.select(
        "event_type",
        pl.coalesce(row[0].field("id"), row[1].field("id"), -1).alias("id"),
        pl.coalesce(r.field("dateTime") for r in row).dt.epoch("ms").alias("time_ms"),
    )
    assert got.rows() == list(twin(20_000, rate, split, splits))


def test_only_the_row_of_the_kind_is_there(many: pl.DataFrame) -> None:
    """Views tell the kinds apart by event_type and then read the row's fields without a look."""
    for number, kind in enumerate(KINDS):
        there = pl.col(kind).is_not_null()
        assert many.filter(there != (pl.col("event_type") == number)).is_empty()
        rows = rows_of(many, kind)
        assert rows.null_count().sum_horizontal().item() == 0
        away = many.filter(~there).select(kind).unnest(kind)
        assert away.null_count().row(0) == (away.height,) * away.width


def test_splits_share_the_time_and_divide_the_ids() -> None:
    """Several generators make the persons and auctions of one, over a time as long."""
    options = {"events.num": "10001", "first-event.rate": "500"}
    alone = made(options)
    parts = [made({**options, "generators": "3"}, split=str(i)) for i in range(3)]
    assert [p.height for p in parts] == [3333, 3333, 3335]
    together = pl.concat(parts)
    for kind in ("person", "auction"):
        wanted = rows_of(alone, kind).drop("dateTime", "expires", strict=False)
        got = rows_of(together, kind).drop("dateTime", "expires", strict=False)
        assert_frame_equal(got, wanted)
    last = [p["bid"].struct.field("dateTime").max() for p in [alone, *parts]]
    assert all(abs((t - last[0]).total_seconds()) < 0.05 for t in last)


# ------------------------------------------------------------------------------ the same again


@pytest.mark.parametrize("seed", range(3))
def test_any_cut_gives_the_same_events(seed: int) -> None:
    """A batch boundary is an accident; an event never shows it."""
    chance = random.Random(seed)
    options = {"events.num": "5000", "seed": "11"}
    whole = made(options)
    events = source_for(table_of("nexmark", options, WHOLE))
    frames: list[pl.DataFrame] = []
    resume = None
    while sum(f.height for f in frames) < 5000:
        reader = events.open("0", resume=resume)
        for _ in range(chance.randint(1, 4)):
            try:
                chunk = reader.poll(max_rows=chance.choice((1, 2, 49, 333, 1024)), timeout_s=0.0)
            except End:
                break
            assert chunk is not None
            frames.append(chunk.frame)
            resume = chunk.resume
    assert_frame_equal(pl.concat(frames), whole)


def test_a_seed_decides_about_what_is_drawn_and_nothing_else() -> None:
    """Two runs agree on everything, two seeds on ids and times only."""
    options = {"events.num": "2000", "seed": "1"}
    assert_frame_equal(made(options), made(options))
    one, other = made(options), made({**options, "seed": "2"})
    for kind, same in zip(KINDS, (("id",), ("id",), ()), strict=True):
        a, b = rows_of(one, kind), rows_of(other, kind)
        assert_frame_equal(a.select("dateTime", *same), b.select("dateTime", *same))
        drawn = [c for c in a.columns if c not in ("dateTime", *same)]
        assert [c for c in drawn if a[c].equals(b[c])] == []


def test_fields_and_columns_that_are_left_out_change_no_other(many: pl.DataFrame) -> None:
    """What is not wanted is not made, and what is wanted does not depend on it."""
    few = Schema.of({"bid": "ROW<extra STRING, price BIGINT>", "auction": "ROW<reserve BIGINT>"})
    frame = made({"events.num": "3000"}, few)
    start = many.head(3000)
    assert frame.columns == ["bid", "auction"]
    for kind in frame.columns:
        names = [f.name for f in frame.schema[kind].fields]
        assert_frame_equal(rows_of(frame, kind), rows_of(start, kind).select(names))
    table = table_of("nexmark", {"events.num": "3000"}, WHOLE)
    pruned = read(source_for(table, ("bid",)).open("0", resume=None), max_rows=777).frame
    assert_frame_equal(pruned, start.select("bid"))
    none = read(source_for(table, ()).open("0", resume=None), max_rows=777).frame
    assert none.shape == (3000, 0)


# ------------------------------------------------------------------------------ distributions


def near(rows: pl.DataFrame, share: float, *conditions: pl.Expr) -> None:
    """Check how many rows fulfil a condition, within five standard deviations."""
    got = rows.select(pl.all_horizontal(conditions)).to_series().mean()
    assert isinstance(got, float)
    assert abs(got - share) < 5 * sqrt(share * (1 - share) / rows.height), (got, share)


def test_bids_are_spread_as_the_originals(many: pl.DataFrame) -> None:
    """The selectivity of q14 and q21, the hot keys of q5 and q11, the sizes of q0."""
    bids = rows_of(many, "bid")
    euros = pl.col("price") * 0.908
    near(bids, 0.283, euros > 1_000_000, euros < 50_000_000)
    near(bids, 1 / 6, pl.col("price") < 1000)
    assert bids["price"].min() >= 100
    assert bids["price"].max() <= 100_000_000
    hot = pl.col("channel").is_in(["Google", "Facebook", "Baidu", "Apple"])
    near(bids, 0.5, hot)
    near(bids, 0.125, pl.col("channel") == "Baidu")
    near(bids, 0.95, hot | pl.col("url").str.contains("&channel_id=", literal=True))
    near(bids, 1 / 28, pl.col("extra").str.len_chars() == 54)
    near(bids, 1 / 28, pl.col("extra").str.len_chars() == 81)
    assert bids["extra"].str.len_chars().is_between(54, 81).all()
    late = bids.tail(bids.height // 2)
    near(late, 0.5 + 0.5 / 111, pl.col("auction") % 100 == 0)
    near(late.filter(pl.col("auction") % 100 != 0), 1 / 123, pl.col("auction") % 123 == 0)


def test_bidders_and_sellers_are_persons_of_the_time(many: pl.DataFrame) -> None:
    """Joins find what the original's would: hot persons, the active ones, and a few to come."""
    frame = many.with_row_index("k").filter(pl.col("k") >= 100_000)
    ids = (pl.col("k").cast(pl.Int64) + 2) // 50  # the newest person, counted from 0
    for kind, field, hot, offset in (("auction", "seller", 0, 1000), ("bid", "bidder", 1, 2000)):
        rows = frame.filter(pl.col(kind).is_not_null()).select(
            ids.alias("last"), (pl.col(kind).struct.field(field) - offset).alias("person")
        )
        is_hot = pl.col("person") == pl.col("last") // 100 * 100 + hot
        near(rows, 0.75 + 0.25 / 1010, is_hot)
        cold = rows.filter(~is_hot).select(pl.col("person") - pl.col("last")).to_series()
        assert cold.min() >= -999
        assert cold.max() <= 10
        assert cold.is_between(1, 10).any()
        assert (cold < -900).any()


def test_persons_and_auctions_are_spread_as_the_originals(many: pl.DataFrame) -> None:
    """The selectivity of q3 and q20, and how long auctions stay open."""
    persons, auctions = rows_of(many, "person"), rows_of(many, "auction")
    near(persons, 0.5, pl.col("state").is_in(["OR", "ID", "CA"]))
    near(persons, 0.1, pl.col("city") == "San Francisco")
    near(persons, 1 / 99, pl.col("name") == "Deiter Noris")
    assert persons["creditCard"].str.contains(r"^\d{4} \d{4} \d{4} \d{4}$").all()
    assert persons["emailAddress"].str.contains(r"^[a-z ]{0,6}@[a-z ]{0,4}\.com$").all()
    near(auctions, 0.2, pl.col("category") == 10)
    assert auctions["category"].is_between(10, 14).all()
    open_ms = (auctions["expires"] - auctions["dateTime"]).dt.total_milliseconds()
    assert open_ms.min() >= 1
    assert open_ms.max() <= 334
    assert abs(float(open_ms.mean()) - 167) < 5
    assert (auctions["reserve"] > auctions["initialBid"]).all()
    for name, most in (("itemName", 19), ("description", 99)):
        texts = auctions[name]
        assert texts.str.contains("^[a-z ]*$").all()
        assert texts.equals(texts.str.strip_chars())
        assert texts.str.len_chars().max() == most
    sizes = auctions.select(
        48 + pl.sum_horizontal(pl.col("itemName", "description", "extra").str.len_chars())
    ).to_series()
    assert abs(float(sizes.mean()) - 500) < 5
    letters = auctions["extra"].str.join("")[0]
    assert 0.015 < letters.count("\\") / len(letters) < 0.023
    assert set(letters) <= {chr(c) for c in range(ord("H"), ord("z") + 1)}


def test_letters_are_spread_evenly(many: pl.DataFrame) -> None:
    """One in thirteen letters is a blank (before ends are trimmed), the others are alike."""
    text = rows_of(many, "auction")["description"].str.slice(2, 40).str.join("")[0]
    counts = {c: text.count(c) / len(text) for c in "aehmz"}
    assert all(abs(share - 12 / 13 / 26) < 0.002 for share in counts.values()), counts


# ------------------------------------------------------------------------------------- options


def test_the_originals_options_are_taken_with_its_defaults() -> None:
    """The public suite's DDL works as it stands; what it leaves out is what it says."""
    assert_frame_equal(made(ORIGINAL), made({"events.num": "100"}))
    _, given, _ = config_of(table_of("nexmark", ORIGINAL, WHOLE))
    _, usual, _ = config_of(table_of("nexmark", {"events.num": "100"}, WHOLE))
    assert given == usual


@pytest.mark.parametrize(
    ("options", "events"),
    [
        ({"events.num": "10", "stop-at": "4"}, 4),
        ({"events.num": "4", "stop-at": "10"}, 4),
        ({"stop-at": "7"}, 7),
        ({"stop-at": "0"}, 0),
    ],
)
def test_it_ends_at_the_sooner_of_two_ends(options: dict[str, str], events: int) -> None:
    """The suite's warm-up run stops in the middle of the events of the real one."""
    ends = source_for(table_of("nexmark", options, WHOLE))
    assert ends.bounded
    assert sum(read(ends.open("0", resume=None), max_rows=3).sizes) == events


def test_without_an_end_it_goes_on_from_any_number() -> None:
    """An endless source is not bounded, and its millionth event is as near as its first."""
    endless = source_for(table_of("nexmark", {"generators": "4"}, WHOLE))
    assert not endless.bounded
    place = {"event": 10**12, "base_ms": BASE_MS}
    chunk = endless.open("3", resume=place).poll(max_rows=100, timeout_s=0.0)
    assert chunk is not None
    assert chunk.frame.height == 100
    times = chunk.frame["bid"].struct.field("dateTime").drop_nulls().dt.epoch("ms")
    assert times[0] == BASE_MS + 4 * 10**11 + 0


def test_kept_alive_it_neither_ends_nor_gives_more() -> None:
    """A job that waits for a savepoint at the end must not be ended by its source."""
    alive = source_for(table_of("nexmark", {"events.num": "5", "keep-alive": "true"}, WHOLE))
    assert not alive.bounded
    reader = alive.open("0", resume=None)
    assert sum(read(reader, max_rows=9, documents=5).sizes) == 5
    assert reader.poll(max_rows=9, timeout_s=0.0) is None
    reader.close()
    with pytest.raises(End):
        reader.poll(max_rows=9, timeout_s=0.0)


def test_at_its_own_pace_the_events_are_the_same() -> None:
    """Waiting for an event's time changes nothing in it, and what is not due does not come."""
    slow = {"events.num": "10", "first-event.rate": "1", "max-emit-speed": "false"}
    reader = source_for(table_of("nexmark", slow, WHOLE)).open("0", resume=None)
    assert reader.poll(max_rows=9, timeout_s=0.0) is None
    quick = {"events.num": "500", "first-event.rate": "20000"}
    assert_frame_equal(made({**quick, "max-emit-speed": "false"}), made(quick))


def test_the_base_time_is_kept_in_the_checkpoint() -> None:
    """With 'now' a restart must go on over the event time it began with."""
    options = {"events.num": "10", "base-time": "now"}
    first = source_for(table_of("nexmark", options, WHOLE)).open("0", resume=None)
    chunk = first.poll(max_rows=5, timeout_s=0.0)
    assert chunk is not None
    assert chunk.resume["base_ms"] > BASE_MS
    resume = {**chunk.resume, "base_ms": BASE_MS}
    second = source_for(table_of("nexmark", options, WHOLE)).open("0", resume=resume)
    assert_frame_equal(read(second, max_rows=9).frame, made({"events.num": "10"}).tail(5))
    named = {"events.num": "10", "base-time": BASE_TIME.replace("T", " ") + "+00:00"}
    assert_frame_equal(made(named), made({"events.num": "10"}))


@pytest.mark.parametrize(
    "options",
    [
        {"events.num": "-1"},
        {"stop-at": "-2"},
        {"first-event.rate": "0"},
        {"generators": "0"},
        {"bid.proportion": "-1"},
        {"person.proportion": "0", "auction.proportion": "0", "bid.proportion": "0"},
        {"bid.hot-ratio.auctions": "0"},
        {"bid.avg-size": "1mb"},
        {"base-time": "yesterday"},
        {"rate.shape": "triangle"},
    ],
)
def test_impossible_options_are_refused(options: dict[str, str]) -> None:
    """A benchmark with a wrong option is a wrong figure."""
    with pytest.raises(OptionError) as refused:
        source_for(table_of("nexmark", options, WHOLE))
    assert next(iter(options)) in str(refused.value)


def test_other_mixtures_are_made() -> None:
    """Proportions may leave a kind out, and sizes may leave no room for the filling."""
    options = {
        "events.num": "3000",
        "person.proportion": "2",
        "auction.proportion": "0",
        "bid.proportion": "3",
        "bid.avg-size": "10",
        "person.avg-size": "60",
    }
    frame = made(options)
    counts = dict(frame["event_type"].value_counts().iter_rows())
    assert counts == {0: 1200, 2: 1800}
    assert rows_of(frame, "bid")["extra"].unique().to_list() == [""]
    assert "" in rows_of(frame, "person")["extra"]
    assert rows_of(frame, "person")["id"].to_list() == list(range(1002, 2202))


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        ({"bids": "INT"}, UnknownName, "bids"),
        ({"bid": "ROW<prize BIGINT>"}, UnknownName, "prize"),
        ({"bid": "ROW<price INT>"}, TypeMismatch, "bid.price"),
        ({"bid": "BIGINT"}, TypeMismatch, "bid"),
        ({"bid": "ROW<price BIGINT> NOT NULL"}, TypeMismatch, "bid"),
        ({"event_type": "STRING"}, TypeMismatch, "event_type"),
        ({"bid": "ROW<extra VARCHAR(10)>"}, TypeMismatch, "bid.extra"),
    ],
)
def test_columns_that_are_not_in_the_events_are_refused(
    columns: dict[str, str], error: type[Exception], words: str
) -> None:
    """A mistyped field must not read as NULL."""
    with pytest.raises(error, match=words):
        source_for(table_of("nexmark", {}, Schema.of(columns)))
