"""How fast the Nexmark queries are, from the generator to a sink that keeps nothing.

in      the numbers of queries (all by default), how many events, and how dense they are
out     events/s and rows written, per query: the best and the median of some rounds
run     python benchmarks/nexmark/run.py 0 1 2 [--events 2000000] [--rate 10000] [--rounds 3]
method  the SQL as it stands, in this process, with the events made while they are read; `source`
        is the generator alone, read to its end. The first round compiles what is compiled and is
        not counted. Figures compare only at the same rate: windows and joins depend on it.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

import millstream as ms

FOLDER = Path(__file__).resolve().parent
QUERIES = range(24)
SIDE_ROWS = 10_000


def script(query: int, *, source: str, sink: str, folder: Path) -> str:
    """Return the SQL of one query: the table, its views, and the query's own file.

    ``source`` and ``sink`` are options as SQL says them; ``folder`` takes the files of q10 and
    gives the side input of q13, which is made there.
    """
    side = folder / "side_input.csv"
    if query == 13:
        side.write_text("".join(f"{i},{i}\n" for i in range(SIDE_ROWS)))
    text = (FOLDER / "ddl.sql").read_text() + (FOLDER / "queries" / f"q{query}.sql").read_text()
    # The comment of ddl.sql names the places to fill in and may be filled in as well.
    places = {
        "source": source,
        "sink": sink,
        "folder": str(folder / "q10"),
        "side_input": str(side),
    }
    for name, value in places.items():
        text = text.replace("${" + name + "}", value)
    return text


def generator(events: int, rate: int, seed: int = 0, **more: object) -> str:
    """Return the options of the source."""
    options = {"connector": "nexmark", "events.num": events, "first-event.rate": rate}
    options |= {"next-event.rate": rate, "seed": seed, **more}
    return ", ".join(f"'{name}' = '{value}'" for name, value in options.items())


def timed(text: str) -> tuple[float, int]:
    """Return the seconds a script takes, and the rows it writes."""
    sinks = ms.script(text)
    start_s = time.perf_counter()
    summary = ms.run(*sinks)
    return time.perf_counter() - start_s, summary.progress.rows_out


def report(name: str, text: str, events: int, rounds: int) -> None:
    """Print one line for a query, or why it does not run."""
    try:
        timed(text)
        runs = [timed(text) for _ in range(rounds)]
    except ms.MillstreamError as error:
        print(f"{name:>7}  does not run: {str(error).splitlines()[0]}", flush=True)
        return
    rates = [events / seconds / 1e6 for seconds, _ in runs]
    print(
        f"{name:>7}  {max(rates):6.2f}  {statistics.median(rates):6.2f}  {runs[-1][1]:>12,}",
        flush=True,
    )


def main() -> None:
    """Read the arguments and print the table."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("queries", nargs="*", type=int, default=[], metavar="N")
    asked.add_argument("--events", type=int, default=2_000_000)
    asked.add_argument("--rate", type=int, default=10_000, help="events in a second of event time")
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--rounds", type=int, default=3)
    given = asked.parse_args()
    sys.path.insert(0, str(FOLDER.parent.parent))  # q14 names benchmarks.nexmark.functions
    source = generator(given.events, given.rate, given.seed)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, Polars {pl.__version__} "
        f"with {pl.thread_pool_size()} threads"
    )
    print(f"{given.events:,} events at {given.rate:,}/s of event time, one generator")
    print("  query    best  median      rows out   (M events/s)")
    with tempfile.TemporaryDirectory() as folder:
        whole = (FOLDER / "ddl.sql").read_text().replace("${source}", source)
        rows = "event_type INT, person_id BIGINT, auction_id BIGINT, price BIGINT"
        whole += f"CREATE TABLE nothing ({rows}) WITH ('connector' = 'blackhole');"
        whole += (
            "INSERT INTO nothing SELECT event_type, person.id, auction.id, bid.price FROM nexmark;"
        )
        report("source", whole, given.events, given.rounds)
        for query in given.queries or QUERIES:
            text = script(
                query, source=source, sink="'connector' = 'blackhole'", folder=Path(folder)
            )
            report(f"q{query}", text, given.events, given.rounds)


if __name__ == "__main__":
    main()
