"""Which chart a view gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.serve.charts import chart
from millstream.types import Schema

N = {"n": "BIGINT"}
WINDOW = {"window_start": "TIMESTAMP(3)", "window_end": "TIMESTAMP(3)"}


@pytest.mark.parametrize(
    ("columns", "key", "wanted"),
    [
        ({"n": "BIGINT", "avg": "DOUBLE"}, (), ("number", None, ["n", "avg"], None)),
        ({"page": "STRING", **N}, ("page",), ("top", "page", ["n"], None)),
        ({"user_id": "BIGINT", **N}, ("user_id",), ("top", "user_id", ["n"], None)),
        ({"hour": "INT", **N}, ("hour",), ("bar", "hour", ["n"], None)),
        ({**WINDOW, **N}, ("window_start", "window_end"), ("line", "window_end", ["n"], None)),
        (
            {**WINDOW, "page": "STRING", **N},
            ("window_start", "window_end", "page"),
            ("line", "window_end", ["n"], "page"),
        ),
        ({"at": "TIMESTAMP_LTZ(3)", "x": "DOUBLE"}, None, ("line", "at", ["x"], None)),
        ({"a": "STRING", "b": "INT", **N}, ("a", "b"), ("heat", "a", ["n"], "b")),
        (
            {"city": "STRING", "lat": "DOUBLE", "lon": "DOUBLE", **N},
            ("city",),
            ("geo", "lon", ["lat", "n"], "city"),
        ),
        ({"k": "STRING", "lat": "DOUBLE"}, ("k",), ("top", "k", ["lat"], None)),
        ({"lat": "INT", "lon": "INT", **N}, ("lat", "lon"), ("geo", "lon", ["lat", "n"], None)),
        ({"k": "STRING", "a": "INT", "b": "INT"}, ("k",), ("table", None, [], None)),
        ({"k": "STRING", "note": "STRING"}, ("k",), ("table", None, [], None)),
        ({"k": "STRING", "n": "INT", "seen": "TIMESTAMP(3)"}, ("k",), ("top", "k", ["n"], None)),
        ({"note": "STRING"}, (), ("table", None, [], None)),
    ],
)
def test_columns_and_key_choose(
    columns: dict[str, str], key: tuple[str, ...] | None, wanted: tuple[object, ...]
) -> None:
    """A view that says nothing is drawn as its key suggests."""
    found = chart("v", Schema.of(columns), key, {})
    assert (found.kind, found.x, found.y, found.by) == wanted


@pytest.mark.parametrize("kind", ["top", "bar", "line", "heat", "geo"])
def test_a_kind_without_columns_for_it_is_a_table(kind: str) -> None:
    """A tile that asks for the order of no column is refused by the feed, again and again."""
    found = chart("v", Schema.of({"k": "STRING", "note": "STRING"}), ("k",), {"kind": kind})
    assert (found.kind, found.order, found.limit) == ("table", None, None)


def test_a_tile_of_too_many_rows_gets_as_many_as_the_feed_gives() -> None:
    """A limit beyond that of the feed would be refused, and the tile stay empty."""
    found = chart("v", Schema.of({"k": "STRING", **N}), ("k",), {"limit": "999999999"})
    assert found.limit == 10_000


def test_what_was_said_wins() -> None:
    """A kind, columns, an order and a title that were declared are not chosen again."""
    schema = Schema.of({"k": "STRING", "a": "INT", "b": "INT"})
    said = {"kind": "bar", "x": "k", "y": "b, a", "order": "-b", "limit": "5", "title": "T"}
    found = chart("v", schema, ("k",), said)
    assert found.model_dump() == {
        "kind": "bar", "title": "T", "x": "k", "y": ["b", "a"], "by": None, "order": "-b",
        "limit": 5,
    }  # fmt: skip


def test_an_order_follows_the_figure_that_was_said() -> None:
    """The first ten by another figure than the one that is drawn would be the wrong ten."""
    schema = Schema.of({"k": "STRING", "a": "INT", "b": "INT"})
    assert chart("v", schema, ("k",), {"kind": "top", "y": "b"}).order == "-b"


def test_rows_that_only_come_are_shown_newest_first() -> None:
    """A table of what happened that begins with the oldest never seems to move."""
    schema = Schema.of({"at": "TIMESTAMP(3)", "who": "STRING", "what": "STRING"})
    found = chart("v", schema, None, {})
    assert (found.kind, found.order) == ("table", "-at")


NAMES = st.sampled_from(["a", "lat", "lon", "window_end", "user_id"])
TYPES = st.sampled_from(["INT", "STRING", "TIMESTAMP(3)", "DATE", "DECIMAL(9, 2)", "BOOLEAN"])
SAID = st.dictionaries(
    st.sampled_from(["kind", "x", "y", "by", "order", "limit"]),
    st.sampled_from(["line", "geo", "bar", "a", "-a", "lat, a", "nowhere", "", "0", "7"]),
)


@given(st.dictionaries(NAMES, TYPES, min_size=1), st.data(), SAID)
def test_a_chart_names_only_columns_that_are_there(
    columns: dict[str, str], data: st.DataObject, said: dict[str, str]
) -> None:
    """A page that asks for an order by a column that is not there gets an error for a chart."""
    key = data.draw(st.none() | st.lists(st.sampled_from(sorted(columns)), unique=True).map(tuple))
    found = chart("v", Schema.of(columns), key, said)
    named = [found.x, found.by, *found.y, (found.order or "").removeprefix("-") or None]
    assert {name for name in named if name is not None} <= set(columns)
    assert found.limit is None or found.limit > 0
