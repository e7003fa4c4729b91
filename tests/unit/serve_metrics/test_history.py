"""What a job did over time: rates over restarts, gaps, percentiles, and limits."""

from __future__ import annotations

import math
import sys
import threading
from bisect import bisect_left
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.engine.progress import Histogram, Progress
from millstream.serve import history
from millstream.serve.history import SERIES, History, latency_ms, values_of
from millstream.serve.hub import Look
from tests.unit.serve_metrics.still import NOW_MS, progress


def looks(*stands: tuple[float, dict]) -> list[Look]:
    """Return looks at these seconds."""
    found: list[Look] = []
    before: Progress | None = None
    for at_s, values in stands:
        now = progress(elapsed_s=at_s, **values)
        found.append(Look(NOW_MS + int(at_s * 1000), now, before))
        before = now
    return found


def kept(*stands: tuple[float, dict], **asked):
    """Return step, times and series of these looks; None for what is not known."""
    past = History()
    for look in looks(*stands):
        past.add(look)
    step_s, at_ms, series = past.series(**asked)
    return (
        step_s,
        at_ms,
        {n: [None if math.isnan(v) else v for v in vs] for n, vs in series.items()},
    )


def at(past: History, at_s: float, **values) -> None:
    """Take a look when the clock says so many seconds."""
    past.add(Look(NOW_MS + int(at_s * 1000), progress(**values), None))


def test_a_rate_is_of_the_time_that_passed():
    """Looks are not exactly a second apart; a machine that slept makes no peak."""
    _, at_ms, series = kept(
        (0.0, {"rows_in": 0}), (1.0, {"rows_in": 10}), (61.0, {"rows_in": 610}),
        names=["rows_in_per_s"],
    )  # fmt: skip
    assert at_ms == [NOW_MS + 1_000, NOW_MS + 61_000]
    assert series == {"rows_in_per_s": [10.0, 10.0]}


def test_a_restart_is_a_gap_and_no_peak():
    """A job counts on from its checkpoint: what it did in between, nobody knows."""
    _, _, series = kept(
        *((float(n), {"rows_in": rows}) for n, rows in enumerate((900, 1_000, 950, 1_050))),
        names=["rows_in_per_s"],
    )
    assert series == {"rows_in_per_s": [100.0, None, 100.0]}


def test_what_appears_later_has_a_gap_before():
    """A watermark comes with the first rows; all series still lie on one time axis."""
    _, at_ms, series = kept(
        (0.0, {"lag_ms": None}), (1.0, {"lag_ms": None}), (2.0, {"lag_ms": 5}),
        (3.0, {"lag_ms": None}), names=["lag_ms", "nothing", "state_rows"],
    )  # fmt: skip
    assert len(at_ms) == 3
    assert series["lag_ms"] == [None, 5.0, None]
    assert series["nothing"] == [None, None, None]
    assert series["state_rows"] == [12.0, 12.0, 12.0]


def test_a_coarse_point_tells_of_all_its_seconds():
    """One second of ten would hide nine tenths of what happened in six hours."""
    bursts = [(float(n), {"rows_in": 1_000 * (n // 10) + (0 if n % 10 else 1)}) for n in range(31)]
    step_s, at_ms, series = kept(*bursts, names=["rows_in_per_s"], coarse=True)
    assert step_s == 10
    assert at_ms == [NOW_MS + 1000 * n for n in (10, 20, 30)]
    assert series["rows_in_per_s"] == [100.0, 100.0, 100.0]


def test_looks_too_close_are_one():
    """Several who look (a page, a scrape) do not make several points."""
    _, at_ms, _ = kept(*((n / 10, {}) for n in range(31)))
    assert len(at_ms) <= 6


def test_a_reader_asks_for_what_is_new():
    """A page that follows a job fetches seconds, not ten minutes each time."""
    stands = [(float(n), {"state_rows": n}) for n in range(6)]
    _, at_ms, series = kept(*stands, names=["state_rows"], since_ms=NOW_MS + 3_000)
    assert at_ms == [NOW_MS + 4_000, NOW_MS + 5_000]
    assert series == {"state_rows": [4.0, 5.0]}


def test_a_clock_that_is_set_back_leaves_times_that_rise():
    """Daylight, a virtual machine that slept: the past must go on, and its times never fall."""
    past = History()
    for n in range(10):
        at(past, n, elapsed_s=float(n), state_rows=n)
    for n in range(10, 15):
        at(past, n - 7, elapsed_s=float(n), state_rows=n)
    _, at_ms, series = past.series(["state_rows"])
    assert at_ms == [NOW_MS + 1_000 * n for n in (1, 2, 4, 5, 6, 7)]
    assert series == {"state_rows": [1.0, 2.0, 11.0, 12.0, 13.0, 14.0]}


def test_an_answer_is_kept_until_the_next_look():
    """Pages that ask alike are answered once a second; nobody is told of the second before."""
    past = History()
    at(past, 0, elapsed_s=0.0)
    past.keep(b"series=busy", b"{}", looks=past.looks)
    assert past.answered(b"series=busy") == b"{}"
    assert past.answered(b"series=lag_ms") is None
    asked_at = past.looks
    at(past, 1, elapsed_s=1.0)
    assert past.answered(b"series=busy") is None
    past.keep(b"series=busy", b"of before", looks=asked_at)
    assert past.answered(b"series=busy") is None, "a look was taken while it was made"


def test_kept_answers_are_limited():
    """Somebody who asks for each millisecond does not fill the memory."""
    past = History()
    for n in range(200):
        past.keep(b"since_ms=%d" % n, b"x" * 20_000, looks=past.looks)
    found = [past.answered(b"since_ms=%d" % n) for n in range(200)]
    assert 0 < sum(len(one) for one in found if one is not None) <= history.ANSWERS_BYTES_MAX
    at(past, 0, elapsed_s=0.0)
    past.keep(b"new", b"x" * 20_000, looks=past.looks)
    assert past.answered(b"new"), "there is room again"


def test_points_are_limited(monkeypatch):
    """A job that runs for years keeps minutes and hours."""
    monkeypatch.setattr(history, "FINE_POINTS", 20)
    monkeypatch.setattr(history, "COARSE_POINTS", 3)
    past = History()
    for look in looks(*((float(n), {"state_rows": n}) for n in range(100))):
        past.add(look)
    _, fine_ms, fine = past.series(["state_rows"])
    _, coarse_ms, coarse = past.series(["state_rows"], coarse=True)
    assert fine["state_rows"] == [float(n) for n in range(80, 100)]
    assert coarse["state_rows"] == [70.0, 80.0, 90.0]
    assert (len(fine_ms), len(coarse_ms)) == (20, 3)


def test_a_full_history_is_small():
    """Ten jobs of a hundred steps must fit beside the pipelines they are of."""
    past = History()
    for look in looks(*((float(n), {}) for n in range(700))):
        past.add(look)
    columns = past._fine.columns.values()
    assert all(len(column) == history.FINE_POINTS for column in columns)
    assert max(sys.getsizeof(column) for column in columns) < 3 * 8 * history.FINE_POINTS


def test_every_series_there_is_has_a_meaning():
    """Pages name series by this list; one without a meaning is shown without a title."""
    before = progress(elapsed_s=1.0, latency=Histogram((0.01, 0.1), (0, 0, 0), 0.0))
    now = progress(elapsed_s=2.0)
    assert {name for name, _ in values_of(before, now) if ":" not in name} == set(SERIES)


def test_steps_have_series_of_their_own():
    """The graph colours each operator by them."""
    before = progress(elapsed_s=1.0)
    steps = tuple(replace(s, busy_s=s.busy_s + 0.5, rows_in=s.rows_in + 30) for s in before.steps)
    found = dict(values_of(before, progress(elapsed_s=2.0, steps=steps)))
    assert found["busy:count"] == 0.5
    assert found["rows_in_per_s:count"] == 30.0
    assert found["busy"] == 1.0, "one thread has no more than all of its time"


def test_readers_and_the_hub_do_not_meet():
    """Pages read from other threads while the hub adds: axes and series are always as long."""
    past, over = History(), threading.Event()
    uneven: list[tuple[int, int]] = []

    def read() -> None:
        while not over.is_set():
            _, at_ms, series = past.series()
            uneven.extend((len(at_ms), len(v)) for v in series.values() if len(v) != len(at_ms))

    reader = threading.Thread(target=read)
    reader.start()
    for look in looks(*((float(n), {"lag_ms": n if n % 3 else None}) for n in range(1_500))):
        past.add(look)
    over.set()
    reader.join()
    assert not uneven


BOUNDS_S = (0.001, 0.005, 0.025, 0.1, 0.5, 2.0)


def counted(times_s: list[float]) -> Histogram:
    counts = [0] * (len(BOUNDS_S) + 1)
    for time_s in times_s:
        counts[bisect_left(BOUNDS_S, time_s)] += 1
    return Histogram(BOUNDS_S, tuple(counts), sum(times_s))


@given(
    past=st.lists(st.floats(0, 3), max_size=30),
    times_s=st.lists(st.floats(0, 3), min_size=1, max_size=60),
    part=st.sampled_from([0.01, 0.25, 0.5, 0.9, 0.99, 1.0]),
)
def test_percentiles_lie_in_the_bucket_of_the_true_one(past, times_s, part):
    """A histogram cannot know more than the bucket; it may not know less, or tell of the past."""
    true_s = sorted(times_s)[math.ceil(part * len(times_s) - 1e-9) - 1]
    found_ms = latency_ms(counted(past), counted(past + times_s), part)
    assert found_ms is not None
    place = bisect_left(BOUNDS_S, true_s)
    low_s, high_s = (0.0, *BOUNDS_S)[place], (*BOUNDS_S, BOUNDS_S[-1])[place]
    assert low_s * 1000 - 1e-6 <= found_ms <= high_s * 1000 + 1e-6


@given(st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_percentiles_grow(times_s):
    """p99 below p50 is a bug that everybody sees."""
    found = [latency_ms(None, counted(times_s), part) for part in (0.1, 0.5, 0.9, 0.99)]
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("before", "now"),
    [(None, None), (None, counted([])), (counted([1.0]), counted([1.0])),
     (counted([1.0, 1.0]), counted([0.01, 0.01, 0.01]))],
)  # fmt: skip
def test_no_rows_have_no_percentile(before, now):
    """Nothing measured, or counts that fell after a restart, is a gap and not zero."""
    assert latency_ms(before, now, 0.5) is None
