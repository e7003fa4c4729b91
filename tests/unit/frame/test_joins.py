"""Joins, versions, lookups and sets from Python: Polars' columns, SQL's plans and answers."""

from __future__ import annotations

from typing import Any

import pytest

import millstream as ms
from millstream import col
from millstream.errors import Place, PlanError, TypeMismatch, UnknownName
from millstream.plan import nodes as n
from millstream.plan.derive import Tables, Upwards
from millstream.plan.joins import IntervalJoin, Join, LookupJoin, TemporalJoin, WindowJoin
from millstream.plan.ranks import SetOperation

TIMED = {"id": "BIGINT", "v": "BIGINT", "ts": "TIMESTAMP(3)"}


def at(minute: int) -> str:
    return f"2026-01-01 10:{minute:02}:00"


@pytest.fixture
def orders() -> ms.Stream:
    rows = [(1, 7, "a"), (2, 8, "b"), (3, None, "c")]
    return ms.read_memory(rows, schema={"id": "BIGINT", "user": "BIGINT", "note": "STRING"})


@pytest.fixture
def users() -> ms.Stream:
    rows = [(7, "Ada", "x"), (9, "Bob", "y")]
    return ms.read_memory(
        rows, schema={"user": "BIGINT", "name": "STRING", "note": "STRING"}, name="users"
    )


@pytest.fixture
def clicks() -> ms.Stream:
    rows = [(1, 10, at(0)), (2, 20, at(20))]
    return ms.read_memory(rows, schema=TIMED, event_time="ts", name="clicks")


@pytest.fixture
def buys() -> ms.Stream:
    rows = [(1, 11, at(4)), (2, 21, at(17)), (1, 12, at(30))]
    return ms.read_memory(rows, schema=TIMED, event_time="ts", name="buys")


def found(stream: ms.Stream) -> list[tuple[Any, ...]]:
    return sorted(stream.collect().rows(), key=repr)


def kinds(stream: ms.Stream) -> set[type]:
    sink = stream.write_table("blackhole")
    return {type(node) for node in n.Plan((sink.node,)).walk()}


@pytest.mark.parametrize(
    ("how", "columns", "rows"),
    [
        ("inner", "id user note name note_right", [(1, 7, "a", "Ada", "x")]),
        (
            "left",
            "id user note name note_right",
            [(1, 7, "a", "Ada", "x"), (2, 8, "b", None, None), (3, None, "c", None, None)],
        ),
        (
            "right",
            "id note user name note_right",
            [(1, "a", 7, "Ada", "x"), (None, None, 9, "Bob", "y")],
        ),
        (
            "full",
            "id user note user_right name note_right",
            [
                (1, 7, "a", 7, "Ada", "x"),
                (2, 8, "b", None, None, None),
                (3, None, "c", None, None, None),
                (None, None, None, 9, "Bob", "y"),
            ],
        ),
        ("semi", "id user note", [(1, 7, "a")]),
        ("anti", "id user note", [(2, 8, "b"), (3, None, "c")]),
    ],
)
def test_each_kind_gives_what_polars_gives(orders, users, how, columns, rows):
    """Readers know these columns and rows from Polars, which is asked too."""
    joined = orders.join(users, "user", how=how)
    assert joined.columns == tuple(columns.split())
    assert found(joined) == rows
    polars = orders.collect().join(users.collect(), "user", how=how)
    assert tuple(polars.columns) == joined.columns
    assert sorted(polars.rows(), key=repr) == rows


def test_a_cross_join_gives_all_pairs(orders, users):
    """It has no key; the columns of both sides are all there."""
    pairs = orders.join(users, how="cross", suffix="2")
    assert pairs.columns == ("id", "user", "note", "user2", "name", "note2")
    assert len(found(pairs)) == 6


def test_rows_of_a_test_are_given_by_table(orders, users):
    """A join has two tables: ``ms.test`` feeds both, and a row without partner is taken back."""
    tried = ms.test(
        orders.join(users, "user", how="left").select("id", "name"),
        memory=[{"id": 5, "user": 1, "note": ""}, {"id": 6, "user": 2, "note": ""}],
        users=[{"user": 2, "name": "Eve", "note": ""}],
    )
    assert sorted(tried.rows) == [(5, None), (6, "Eve")]


def test_keys_of_other_names_and_expressions(orders, users):
    """The right column of a pair of names is not repeated; what is computed hides no column."""
    renamed = users.rename({"user": "key"}).drop("note")
    named = orders.join(renamed, left_on="user", right_on="key")
    assert named.columns == ("id", "user", "note", "name")
    assert found(named) == [(1, 7, "a", "Ada")]
    later = orders.join(renamed, left_on=col("user") + 1, right_on=col("key") - 1)
    assert later.columns == ("id", "user", "note", "key", "name")
    assert found(later) == [(1, 7, "a", 9, "Bob")]


def test_where_is_said_by_the_names_of_the_result(orders, users):
    """An outer row stays where no partner fulfils it; the right column has its suffix."""
    same = orders.join(users, "user", how="left", where=col("note") == col("note_right"))
    assert found(same.select("id", "name")) == [(1, None), (2, None), (3, None)]
    other = orders.join(users, "user", where=col("note") != col("note_right"))
    assert found(other.select("id", "name")) == [(1, "Ada")]
    alone = orders.join(users, where=col("user_right") > col("user"), how="semi")
    assert found(alone.select("id")) == [(1,), (2,)]


@pytest.mark.parametrize(
    ("within", "rows"),
    [
        ("5m", [(10, 11), (20, 21)]),
        (("0s", "5m"), [(10, 11)]),
        (("-3m", "0s"), [(20, 21)]),
        (("4m", "30m"), [(10, 11), (10, 12)]),
    ],
)
def test_within_is_an_interval_join(clicks, buys, within, rows):
    """Both bounds are included; one length reaches in both directions."""
    near = clicks.join(buys, "id", within=within)
    assert IntervalJoin in kinds(near)
    assert Join not in kinds(near)
    assert not Upwards(Tables()).of(near.node).updates
    assert found(near.select("v", "v_right")) == rows


def test_windows_among_the_keys_are_a_window_join(clicks, buys):
    """Nobody has to say it: the keys hold both bounds, so windows are joined as they close."""
    window = ms.tumble("5m")
    a = clicks.group_by("id", window=window).agg(clicked=ms.count())
    b = buys.group_by("id", window=window).agg(bought=ms.count())
    keys = ("window_start", "window_end", "id")
    both = a.join(b, keys, how="left")
    assert WindowJoin in kinds(both)
    assert both.columns == (*keys, "clicked", "bought")
    assert found(both.select("id", "clicked", "bought")) == [(1, 1, 1), (2, 1, None)]


@pytest.fixture
def rates() -> ms.Stream:
    rows = [(1, 100, at(0)), (1, 200, at(25)), (3, 300, at(0))]
    return ms.read_memory(rows, schema=TIMED, event_time="ts", name="rates", primary_key=("id",))


@pytest.mark.parametrize("how", ["inner", "left"])
def test_the_version_of_that_moment(buys, rates, how):
    """A versioned table by its primary key, and by keeping the last row, are the same."""
    want = [(11, 100), (12, 200)] + ([(21, None)] if how == "left" else [])
    raw = ms.read_memory(rates.collect(), schema=TIMED, event_time="ts", name="raw")
    for versions in (rates, raw.deduplicate("id", keep="last")):
        joined = buys.join_asof(versions, "id", how=how)
        assert TemporalJoin in kinds(joined)
        assert joined.columns == ("id", "v", "ts", "v_right", "ts_right")
        assert found(joined.select("v", "v_right")) == want


@pytest.mark.parametrize("how", ["inner", "left"])
def test_a_table_is_asked(orders, users, how):
    """A row gets what the table says of its key; what is not found is NULL or gone."""
    asked = orders.lookup(users, "user", how=how)
    assert LookupJoin in kinds(asked)
    assert asked.columns == ("id", "user", "note", "name", "note_right")
    rest = [(2, None), (3, None)] if how == "left" else []
    assert found(asked.select("id", "name")) == [(1, "Ada"), *rest]


def test_sets_keep_or_take_away():
    """Columns belong together by name, types meet, NULL equals NULL, ``all`` counts."""
    a = ms.read_memory([(1, "x"), (1, "x"), (None, "y")], schema={"n": "INT", "t": "STRING"})
    b = ms.read_memory([("x", 1), ("y", None)], schema={"t": "STRING", "n": "BIGINT"}, name="b")
    assert a.intersect(b).columns == ("n", "t")
    assert found(a.intersect(b)) == [(1, "x"), (None, "y")]
    assert found(a.intersect(b, all=True)) == [(1, "x"), (None, "y")]
    assert found(a.except_(b)) == []
    assert found(a.except_(b, all=True)) == [(1, "x")]
    assert SetOperation in kinds(a.except_(b))


MISTAKES = {
    "no key": (lambda a, b, t: a.join(b), PlanError, "how='cross'"),
    "keys twice": (lambda a, b, t: a.join(b, "user", left_on="user"), PlanError, "twice"),
    "one side": (lambda a, b, t: a.join(b, left_on="user"), PlanError, "right_on"),
    "cross with key": (lambda a, b, t: a.join(b, "user", how="cross"), PlanError, "no keys"),
    "no such kind": (lambda a, b, t: a.join(b, "user", how="outer"), UnknownName, "outer"),
    "no such column": (lambda a, b, t: a.join(b, "usr"), UnknownName, "'user'"),
    "no key at all": (lambda a, b, t: a.join(b, 7), PlanError, "7 is no key"),
    "types": (lambda a, b, t: a.join(b, left_on="user", right_on=col("name").is_null()),
              TypeMismatch, "BIGINT"),
    "two names": (lambda a, b, t: a.join(b.rename({"name": "note_right"}), "user"),
                  PlanError, "suffix="),
    "where": (lambda a, b, t: a.join(b, "user", where=col("id") + 1), TypeMismatch, "BOOLEAN"),
    "where unknown": (lambda a, b, t: a.join(b, "user", where=col("nam") == "x"),
                      UnknownName, "'name'"),
    "no stream": (lambda a, b, t: a.join([1], "user"), PlanError, "list"),
    "no time left": (lambda a, b, t: a.join(t, "id", within="5m"), PlanError, "left side"),
    "no time right": (lambda a, b, t: t.join(a, "id", within="5m"), PlanError, "right side"),
    "length": (lambda a, b, t: t.join(t, "id", within="5 parsecs"), PlanError, "duration"),
    "bounds": (lambda a, b, t: t.join(t, "id", within=("5m", "-5m")), PlanError, "lower bound"),
    "as of, no time": (lambda a, b, t: a.join_asof(t, "id"), PlanError, "event_time="),
    "as of, no versions": (lambda a, b, t: t.join_asof(a, "id"), PlanError, "deduplicate"),
    "as of, no key": (lambda a, b, t: t.join_asof(t, "id"), PlanError, "primary_key="),
    "as of, other key": (lambda a, b, t: t.join_asof(t.deduplicate("id", keep="last"), "v"),
                         PlanError, "on='id'"),
    "as of, kind": (lambda a, b, t: t.join_asof(t, "id", how="full"), UnknownName, "full"),
    "lookup of a query": (lambda a, b, t: a.lookup(b.filter(col("user") > 0), "user"),
                          PlanError, "as it is"),
    "lookup of no column": (lambda a, b, t: a.lookup(b, left_on="user", right_on=col("user") + 1),
                            PlanError, "on='user'"),
    "lookup, no key": (lambda a, b, t: a.lookup(b), PlanError, "on='id'"),
    "sets, columns": (lambda a, b, t: a.intersect(b), UnknownName, "'name'"),
    "sets, types": (lambda a, b, t: a.select("id").except_(b.select(id="name")),
                    TypeMismatch, "EXCEPT"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told_at_once_with_their_place(orders, users, clicks, name):
    """The verb marks the user's own line and says what to do."""
    wrong, kind, said = MISTAKES[name]
    with pytest.raises(kind) as caught:
        wrong(orders, users, clicks)
    assert said in str(caught.value)
    assert isinstance(caught.value.where, Place), "it marks the line"
    assert str(caught.value.where.file).endswith("test_joins.py")
