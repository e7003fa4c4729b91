"""Ids of messages that were seen, against a dict."""

from __future__ import annotations

import json

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.engine.deduplicate import GENERATIONS, Seen
from millstream.engine.operator import Snapshot

WINDOW_MS = 800


def seen(ids_max: int = 1_000_000) -> Seen:
    return Seen(window_ms=WINDOW_MS, ids_max=ids_max, seed=7)


def new(it: Seen, ids: list[str | None], now_ms: int = 0) -> list[bool]:
    return [bool(b) for b in it.new(pl.Series(ids, dtype=pl.String), now_ms)]


def again(it: Seen, ids_max: int = 1_000_000) -> Seen:
    """Return what a restart makes of it."""
    saved = it.snapshot()
    facts = json.loads(json.dumps(saved.facts))
    fresh = seen(ids_max)
    fresh.restore(Snapshot(saved.tables, facts, saved.version))
    return fresh


def test_the_first_of_each_id_is_new() -> None:
    """Also within one chunk; a row without an id cannot be told from others."""
    it = seen()
    assert new(it, ["a", "b", "a", None, None]) == [True, True, False, True, True]
    assert new(it, ["b", "c"]) == [False, True]
    assert it.rows_repeated == 2


def test_an_id_is_forgotten_after_its_window() -> None:
    """State is bounded: what comes again later than said counts again."""
    it = seen()
    new(it, ["a"], 0)
    assert new(it, ["a"], WINDOW_MS) == [False]
    assert new(it, ["a"], WINDOW_MS * 3 + 1) == [True]
    assert len(it) == 1


def test_seen_again_is_known_for_longer() -> None:
    """A message sent again and again by a queue that never hears our ack stays known."""
    it = seen()
    new(it, ["a"], 0)
    for now in range(100, 5_000, 100):
        assert new(it, ["a"], now) == [False]


def test_a_long_stop_forgets_nothing() -> None:
    """What was not acknowledged comes again after the stop, however long that was."""
    it = seen()
    new(it, ["a"], 0)
    fresh = again(it)
    assert new(fresh, ["a", "b"], 10**9) == [False, True]
    assert new(fresh, ["a"], 10**9 + 3 * WINDOW_MS) == [True]


def test_too_many_ids_push_the_oldest_out() -> None:
    """The limit holds, and what it costs is counted."""
    it = seen(ids_max=80)
    for chunk in range(100):
        new(it, [f"{chunk}-{i}" for i in range(10)], 0)
    assert len(it) <= 80 + 80 // GENERATIONS + 10
    assert it.forgotten_early >= 1_000 - 80 - 80 // GENERATIONS - 10
    assert new(it, ["99-1", "0-1"]) == [False, True]


@settings(max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.none(),
            st.tuples(
                st.lists(st.sampled_from([*"abcdefgh", None]), max_size=6), st.integers(0, 150)
            ),
        ),
        max_size=25,
    )
)
def test_as_a_dict_would_do_it(steps: list[tuple[list[str | None], int] | None]) -> None:
    """Known for the window at least, for a generation more at most, over any restarts."""
    it, now = seen(), 0
    last: dict[str, int] = {}
    for step in steps:
        if step is None:
            it = again(it)
            continue
        ids, later = step
        now += later
        for i, was_new in zip(ids, new(it, ids, now), strict=True):
            if i is None:
                assert was_new
                continue
            age = now - last[i] if i in last else None
            if age is None or age > WINDOW_MS + 2 * WINDOW_MS // GENERATIONS:
                assert was_new
            elif age <= WINDOW_MS:
                assert not was_new
            last[i] = now
