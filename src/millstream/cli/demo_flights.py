"""The pipeline of ``millstream demo``: an ordinary Millstream program, to read and to learn from.

A year of real departures comes in as a live stream. Each departure has an event time, the minute it
was scheduled for; windows follow that time, however fast the year is played. Four questions are
asked of the stream at once, and every answer goes two ways: into a DuckDB file, and into memory,
where the screen reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import millstream as ms
from millstream import col

DEPARTURES = 336_776

# What one departure in two hundred of an airline exceeds, in minutes: an unusual delay.
UNUSUAL_MIN = {
    "9E": 257, "AA": 214, "AS": 169, "B6": 223, "DL": 248, "EV": 250, "F9": 289, "FL": 311,
    "HA": 186, "MQ": 208, "OO": 154, "UA": 228, "US": 184, "VX": 269, "WN": 273, "YV": 238,
}  # fmt: skip


@ms.udf(args=["STRING"], result="INT", vectorised=True)
def unusual_from(carrier: Any) -> Any:
    """Return, for a whole column of airlines at once, the delay that is unusual for each."""
    return carrier.replace_strict(UNUSUAL_MIN, default=180)


@dataclass(frozen=True, slots=True)
class Flights:
    """What the demo runs, and where the screen finds the answers."""

    stored: tuple[ms.Sink, ...]
    by_origin: ms.Sink
    by_carrier: ms.Sink
    routes: ms.Sink
    alerts: ms.Sink
    charts: tuple[ms.Sink, ...] = ()

    @property
    def sinks(self) -> tuple[ms.Sink, ...]:
        """Everything that is written."""
        seen = (self.by_origin, self.by_carrier, self.routes, self.alerts)
        return (*self.stored, *seen, *self.charts)


def flights(
    database: Path, *, seconds: float | None, speed: float | None, charts: bool = False
) -> Flights:
    """Build the pipeline, with ``charts`` those of the dashboard too; nothing runs yet."""
    departures = ms.read_table(
        "nycflights",
        name="departures",
        schema={
            "carrier": "STRING",
            "flight": "INT",
            "origin": "STRING",
            "dest": "STRING",
            "dep_delay": "INT",  # minutes; NULL where the flight was cancelled
            "scheduled": "TIMESTAMP(3)",
        },
        event_time="scheduled",
        watermark="0s",
        seconds=seconds,
        speed=speed,
    )

    # A tumbling window: each day of each airport, once, when the day is over.
    by_origin = departures.group_by("origin", window=ms.tumble("1d")).agg(
        flights=ms.count(),
        cancelled=ms.count() - col("dep_delay").count(),
        mean_delay=col("dep_delay").mean().round(1),
        worst_delay=col("dep_delay").max(),
    )

    # A hopping window: the last seven days of each airline, every day anew.
    by_carrier = departures.group_by("carrier", window=ms.hop("7d", slide="1d")).agg(
        flights=ms.count(),
        mean_delay=col("dep_delay").mean().round(1),
        late_share=(ms.count().filter(col("dep_delay") > 15) / ms.count()).round(3),
    )

    # No window: the figures of a route so far, brought up to date with every departure.
    routes = (
        departures.group_by("origin", "dest")
        .agg(
            flights=col("dep_delay").count(),
            mean_delay=col("dep_delay").mean().round(2),
            worst_delay=col("dep_delay").max(),
        )
        .filter(col("flights") >= 100)
    )

    # No state at all: each departure against the rule of its airline.
    alerts = departures.filter(col("dep_delay") > unusual_from(col("carrier"))).select(
        "scheduled", "carrier", "flight", "origin", "dest", "dep_delay"
    )

    stored = (
        by_origin.write_duckdb(database, table="by_origin", key=["origin", "window_start"]),
        by_carrier.write_duckdb(database, table="by_carrier", key=["carrier", "window_start"]),
        routes.write_duckdb(database, table="routes", key=["origin", "dest"]),
        alerts.write_duckdb(
            database, table="alerts", key=["scheduled", "carrier", "flight", "origin"]
        ),
    )
    return Flights(
        stored=stored,
        by_origin=by_origin.write_memory("by_origin_now"),
        by_carrier=by_carrier.write_memory("by_carrier_now"),
        routes=routes.write_memory("routes_now"),
        alerts=alerts.write_memory("alerts_now", rows_max=1_000),
        charts=_charts(departures, by_origin, by_carrier, routes, alerts) if charts else (),
    )


def _charts(
    departures: ms.Stream,
    by_origin: ms.Stream,
    by_carrier: ms.Stream,
    routes: ms.Stream,
    alerts: ms.Stream,
) -> tuple[ms.Sink, ...]:
    """Return the answers as live views; their names are what SQL calls them."""
    so_far = departures.group_by().agg(
        departures=ms.count(), cancelled=ms.count() - col("dep_delay").count()
    )
    return (
        so_far.chart("number", y=["departures", "cancelled"], name="so_far", title="Departures"),
        by_origin.chart(
            "line", x="window_end", y="flights", by="origin", rows_max=1_100,
            name="days", title="Departures a day",
        ),
        by_origin.chart(
            "line", x="window_end", y="mean_delay", by="origin", rows_max=1_100,
            name="delays", title="Mean delay of a day, minutes",
        ),
        by_carrier.chart(
            "bar", x="carrier", y="late_share", key="carrier",
            name="late_share", title="Late by more than 15 minutes, last week",
        ),
        routes.chart(
            "top", x="dest", y="mean_delay", order="-mean_delay", limit=12,
            name="worst_routes", title="Routes by mean delay",
        ),
        alerts.chart("table", rows_max=500, name="unusual", title="Unusual delays"),
    )  # fmt: skip
