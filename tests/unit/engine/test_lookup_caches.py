"""What lookups remember: answers by key, and tables that were read whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.engine.answer_cache import AnswerCache
from millstream.engine.functions import Context
from millstream.engine.lookups import TableResolver
from millstream.engine.operator import Lowering, Resolver
from millstream.errors import ConnectorError, PlanError
from millstream.expr.resolve import resolve
from millstream.expr.tree import Call, Column
from millstream.plan.joins import JoinKind, LookupJoin
from millstream.plan.nodes import Values
from millstream.plan.table import Computed, Metadata, Physical, Table
from millstream.ports.lookup import ASK
from millstream.types import Schema, parse_type

if TYPE_CHECKING:
    from pathlib import Path

KEYS = pl.Schema({"k": pl.Int64(), "s": pl.String()})
ROWS = pl.Schema({"v": pl.String(), "n": pl.Int64()})
KEY = st.tuples(st.integers(0, 5), st.sampled_from(["a", "b"]))
STEP = st.tuples(st.lists(KEY, unique=True, min_size=1, max_size=6), st.integers(0, 40))


@given(
    steps=st.lists(STEP, max_size=20),
    rows_max=st.sampled_from([2, 6, 1000]),
    write_ms=st.sampled_from([None, 50]),
    access_ms=st.sampled_from([None, 30]),
    missing=st.booleans(),
)
def test_a_cache_gives_what_was_answered_last(
    steps: list[Any], rows_max: int, write_ms: int | None, access_ms: int | None, missing: bool
) -> None:
    """An answer too old, of another key or twice would be a wrong result that nobody sees."""
    cache = AnswerCache(
        KEYS, ROWS, rows_max=rows_max, expire_write_ms=write_ms, expire_access_ms=access_ms, seed=3
    )
    now = 0
    truth: dict[Any, Any] = {}
    written: dict[Any, int] = {}
    wanted: dict[Any, int] = {}
    for turn, (keys, wait) in enumerate(steps):
        now += wait
        frame = pl.DataFrame(keys, schema=KEYS, orient="row")
        known, found = cache.find(frame, now)
        answered: dict[Any, list[Any]] = {key: [] for key in keys}
        for v, n, at in found.rows():
            answered[keys[at]].append((v, n))
        for key, is_known in zip(keys, known, strict=True):
            if is_known:
                assert sorted(answered[key]) == truth[key]
                assert write_ms is None or now - written[key] < write_ms
                assert access_ms is None or now - wanted[key] < access_ms
                wanted[key] = now
            else:
                assert not answered[key]
        asked = [key for key, is_known in zip(keys, known, strict=True) if not is_known]
        new = {key: [(f"{key}{turn}", i) for i in range(key[0] % 3)] for key in asked}
        rows = [(v, n, at) for at, key in enumerate(asked) for v, n in new[key]]
        answer = pl.DataFrame(rows, schema={**ROWS, ASK: pl.Int64()}, orient="row").reverse()
        cache.put(pl.DataFrame(asked, schema=KEYS, orient="row"), answer, now, missing=missing)
        truth |= new
        written |= dict.fromkeys(asked, now)
        wanted |= dict.fromkeys(asked, now)
        if rows_max == 1000 and write_ms is None and access_ms is None:
            again, _ = cache.find(frame, now)
            assert again.tolist() == [missing or bool(truth[key]) for key in keys]


def test_a_cache_stays_small() -> None:
    """``max-rows`` is a promise: what is asked for once must not stay for ever."""
    cache = AnswerCache(
        KEYS, ROWS, rows_max=1000, expire_write_ms=None, expire_access_ms=None, seed=3
    )
    sizes = []
    for turn in range(60):
        keys = pl.DataFrame({"k": range(turn * 100, turn * 100 + 100)}).with_columns(s=pl.lit("a"))
        answer = keys.select(v=pl.lit("x" * 50), n="k").with_columns(
            pl.int_range(pl.len()).alias(ASK)
        )
        cache.put(keys, answer, 0, missing=True)
        sizes.append(cache.bytes_used)
    assert max(sizes[20:]) == max(sizes)
    assert max(sizes[40:]) <= max(sizes[:20])


# ------------------------------------------------------------------------------ whole tables

NAMES = Schema.of({"id": "INT", "name": "STRING"})


def resolver(table: Table, wanted: tuple[str, ...] = ("name",), by: str = "id") -> Resolver:
    own = Schema.of({"asked": str(table.schema.type_of(by))})
    node = LookupJoin(
        input=Values(columns=own, rows=()),
        table=table,
        kind=JoinKind.LEFT,
        on=((Column("asked", type=own.type_of("asked")), by),),
        names=tuple((name, name) for name in wanted),
    )
    return TableResolver.of(node, (by,), Lowering(Context(), (False,), False, 7, True))


def csv(path: Path, *more: Any, **options: str) -> Table:
    columns = (*(Physical(f.name, f.type) for f in NAMES), *more)
    return Table("names", columns, "filesystem", {"path": str(path), "format": "csv", **options})


def ask(resolver: Resolver, *ids: Any, now_ms: int = 0) -> list[Any]:
    payload = pl.DataFrame({"id": ids}, schema={"id": pl.Int32})
    found = resolver.at_once(payload, now_ms)
    if found is None:
        found = resolver.answer(payload, now_ms)
    return sorted(found.select(ASK, pl.all().exclude(ASK)).rows())


def test_files_are_read_whole_and_again_when_they_are_old(tmp_path: Path) -> None:
    """A dictionary in a file is changed now and then; it must not be read for every row."""
    path = tmp_path / "names.csv"
    path.write_text("1,one\n2,two\n1,uno\nNULL,nobody\n")
    names = resolver(
        csv(
            path,
            **{"lookup.full-cache.periodic-reload.interval": "1min", "csv.null-literal": "NULL"},
        )
    )
    assert ask(names, 9, 1) == [(1, "one"), (1, "uno")]
    path.write_text("9,nine\n")
    assert ask(names, 9, 1, now_ms=59_999) == [(1, "one"), (1, "uno")]
    assert ask(names, 9, 1, now_ms=60_000) == [(0, "nine")]
    names.close()


def test_without_an_interval_a_table_is_read_once(tmp_path: Path) -> None:
    """Flink's FULL cache, too, is loaded once where no reload is asked for."""
    path = tmp_path / "names.csv"
    path.write_text("1,one\n")
    names = resolver(csv(path))
    assert ask(names, 1) == [(0, "one")]
    path.write_text("1,other\n")
    assert ask(names, 1, now_ms=10**12) == [(0, "one")]


def test_computed_and_metadata_columns_of_a_whole_table(tmp_path: Path) -> None:
    """A user sees no difference between the columns of a table; a lookup must not either."""
    path = tmp_path / "names.csv"
    path.write_text("1,one\n2,two\n")
    loud = Computed("loud", resolve(Call("UPPER", (Column("name"),)), NAMES))
    file = Metadata("file", parse_type("STRING"), "file.name")
    names = resolver(csv(path, loud, file), ("loud", "file", "id"))
    assert ask(names, 2) == [(0, "TWO", "names.csv", 2)]
    by_computed = resolver(csv(path, loud), ("id",), by="loud")
    assert by_computed.answer(pl.DataFrame({"loud": ["ONE"]}), 0).rows() == [(1, 0)]


def test_a_row_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A join without a row of its table is wrong, and nobody would see it."""
    path = tmp_path / "names.csv"
    path.write_text("1,one\nx,two\n")
    with pytest.raises(ConnectorError, match="cannot be read"):
        ask(resolver(csv(path)), 1)


@pytest.mark.parametrize(
    ("connector", "options", "says"),
    [
        ("filesystem", {"path": "x", "format": "csv", "source.monitor-interval": "1s"}, "no end"),
        ("filesystem", {"path": "x", "format": "csv", "lookup.cache": "NONE"}, "single keys"),
        ("datagen", {}, "no end"),
        ("blackhole", {}, "no end"),
        ("http", {"url": "http://h/{id}", "lookup.cache": "FULL"}, "no end"),
    ],
)
def test_tables_that_cannot_be_asked_are_refused(
    connector: str, options: dict[str, str], says: str
) -> None:
    """The user must hear it before the job runs, with what to do instead."""
    columns = tuple(Physical(f.name, f.type) for f in NAMES)
    with pytest.raises(PlanError, match=says):
        resolver(Table("names", columns, connector, options))


def test_unknown_lookup_options_are_named(tmp_path: Path) -> None:
    """A misspelt option must not be taken for none."""
    with pytest.raises(PlanError, match=r"lookup\.max-retries"):
        resolver(csv(tmp_path, **{"lookup.max-retry": "3"}))
