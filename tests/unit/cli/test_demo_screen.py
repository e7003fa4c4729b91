"""The demo's screen at the sizes terminals have, with results and before the first one."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import replace

import pytest
from rich.console import Console

import millstream as ms
from millstream.cli.demo_flights import UNUSUAL_MIN, Flights, unusual_from
from millstream.cli.demo_screen import AIRLINES, Screen, sparkline
from millstream.engine.progress import Progress

DAY = dt.datetime(2013, 5, 1)  # noqa: DTZ001 (New York's local time, without a zone)
PROGRESS = Progress(
    3.0, 120_000, 900, 0, 0, 40_000.0, 1_367_366_400_000, None, 20, 3 << 20, 99, 0, 9, (), ()
)  # fmt: skip


def kept(rows: list[dict[str, object]], columns: dict[str, str]) -> ms.Sink:
    sink = ms.read_memory(rows, schema=columns).write_memory()
    sink.run()
    return sink


def flights(*, empty: bool) -> Flights:
    by_origin = {
        "window_start": "TIMESTAMP(3)", "window_end": "TIMESTAMP(3)", "origin": "STRING",
        "flights": "BIGINT", "cancelled": "BIGINT", "mean_delay": "DOUBLE", "worst_delay": "INT",
    }  # fmt: skip
    by_carrier = {
        "window_start": "TIMESTAMP(3)", "window_end": "TIMESTAMP(3)", "carrier": "STRING",
        "flights": "BIGINT", "mean_delay": "DOUBLE", "late_share": "DOUBLE",
    }  # fmt: skip
    routes = {
        "origin": "STRING", "dest": "STRING", "flights": "BIGINT", "mean_delay": "DOUBLE",
        "worst_delay": "INT",
    }  # fmt: skip
    alerts = {
        "scheduled": "TIMESTAMP(3)", "carrier": "STRING", "flight": "INT", "origin": "STRING",
        "dest": "STRING", "dep_delay": "INT",
    }  # fmt: skip
    days = [] if empty else [DAY + dt.timedelta(days=n) for n in range(60)]
    one = dt.timedelta(days=1)
    return Flights(
        stored=(),
        by_origin=kept(
            [
                dict(
                    zip(
                        by_origin,
                        (d, d + one, o, 300, 2, None if o == "LGA" else 9.5, 99),
                        strict=True,
                    )
                )
                for d in days
                for o in ("EWR", "JFK", "LGA")
            ],
            by_origin,
        ),
        by_carrier=kept(
            [
                dict(zip(by_carrier, (d, d + 7 * one, c, 50, 12.5, 0.25), strict=True))
                for d in days
                for c in ("UA", "HA")
            ],
            by_carrier,
        ),
        routes=kept(
            [] if empty else [dict(zip(routes, ("EWR", "TYS", 120, 41.8, 291), strict=True))],
            routes,
        ),
        alerts=kept(
            [] if empty else [dict(zip(alerts, (DAY, "UA", 15, "JFK", "SFO", 250), strict=True))],
            alerts,
        ),
    )


def drawn(screen: Screen, progress: Progress, width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, record=True)
    console.print(screen.draw(progress, width, height), height=height)
    return console.export_text().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (140, 40), (220, 60)])
def test_the_screen_fits_and_shows_every_answer(width: int, height: int) -> None:
    """No line is longer than the terminal, and each of the four questions has its answer."""
    lines = drawn(Screen(flights(empty=False), "in 60 seconds"), PROGRESS, width, height)
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)
    text = "\n".join(lines)
    for part in ("120 000 of 336 776", "EWR", "UA", "EWR → TYS", "UA 15", "4 h 10 min", "40k/s"):
        assert part in text
    assert "3.0 MiB" in text


def test_the_screen_before_the_first_result() -> None:
    """The first seconds belong to the screen too: it says what is going on."""
    nothing = replace(PROGRESS, rows_in=0, rows_per_s=0.0, watermark_ms=None)
    text = "\n".join(drawn(Screen(flights(empty=True), "in 60 seconds"), nothing, 140, 40))
    assert "starting" in text
    assert "none so far" in text


def test_a_sparkline_spans_least_to_greatest() -> None:
    """Equal values are flat, and a given floor holds."""
    assert sparkline([1.0, 1.0]) == "▁▁"
    assert sparkline([5.0, 10.0], low=0.0) == "▅█"
    assert sparkline([]) == ""


def test_every_airline_has_its_rule() -> None:
    """The rule of the alerts knows each airline by name; others get a default."""
    assert set(UNUSUAL_MIN) == set(AIRLINES)
    limits = ms.read_memory([{"c": "WN"}, {"c": "??"}]).select(x=unusual_from(ms.col("c")))
    assert limits.collect().rows() == [(273,), (180,)]
