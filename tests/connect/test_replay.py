"""Recorded rows at their pace; time is a clock of the test, never slept through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from millstream.connect import replay
from millstream.connect.replay import ReplaySource
from millstream.errors import OptionError
from millstream.ports.connector import End
from millstream.ports.registry import source_for
from tests.connect.contract import Expected, SourceContract, sink_rows, table_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millstream.plan.table import Table

ROWS = sink_rows(0, 1, 3, 4, 6, 7, 9).sort("seen")


class TestSource(SourceContract):
    @pytest.fixture
    def table(self) -> Table:
        return table_of("replay", {"frame": ROWS, "time": "seen", "seconds": 0})

    @pytest.fixture
    def expected(self) -> Mapping[str, Expected]:
        return {"replay": Expected(frame=ROWS)}


class Clock:
    """Seconds that pass only when something sleeps."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(replay.time, "sleep", made.sleep)
    return made


def paced(clock: Clock, speed: float) -> ReplaySource:
    return ReplaySource(ROWS, ROWS["seen"], speed, clock)


def test_rows_come_when_their_time_has_come(clock: Clock) -> None:
    """Twice as fast as it happened: the row of second 4 comes after two seconds."""
    reader = paced(clock, 2.0).open("replay", resume=None)
    seen: list[tuple[float, int]] = []
    while True:
        try:
            chunk = reader.poll(max_rows=10, timeout_s=0.5)
        except End:
            break
        if chunk is not None:
            seen += [(clock.now_s - 100.0, row) for row in chunk.frame["id"]]
    assert [row for _, row in seen] == ROWS["id"].to_list()
    first = ROWS["seen"][0]
    for passed_s, row in seen:
        due_s = (ROWS.filter(pl.col("id") == row)["seen"][0] - first).total_seconds() / 2
        assert due_s <= passed_s <= due_s + replay.DUE_LEAST_S + 0.001


def test_a_poll_waits_no_longer_than_it_may(clock: Clock) -> None:
    """The driver must get its turn although the next row is an hour away."""
    reader = paced(clock, 0.001).open("replay", resume=None)
    reader.poll(max_rows=10, timeout_s=0.1)
    before = clock.now_s
    assert reader.poll(max_rows=10, timeout_s=0.1) is None
    assert clock.now_s - before <= 0.1


def test_a_resumed_reader_keeps_the_pace(clock: Clock) -> None:
    """After a restart the next row is due at once, the others at their distance to it."""
    reader = paced(clock, 1.0).open("replay", resume=3)
    chunk = reader.poll(max_rows=10, timeout_s=0.0)
    assert chunk is not None
    assert chunk.frame["id"].to_list() == [4]
    assert chunk.resume == 4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"speed": 1, "seconds": 1}, "Both"),
        ({"speed": -1}, "cannot be -1"),
        ({"time": "nothing"}, "no column 'nothing'"),
        ({"time": "name"}, "not in order"),
        ({"frame": ROWS.reverse()}, "not in order"),
        ({"frame": "text"}, "no Polars DataFrame"),
    ],
    ids=str,
)
def test_what_cannot_be_played_is_refused(options: dict[str, Any], says: str) -> None:
    """A record out of order would make every row late; it is told before it starts."""
    table = table_of("replay", {"frame": ROWS, "time": "seen", **options})
    with pytest.raises(OptionError, match=says):
        source_for(table)
