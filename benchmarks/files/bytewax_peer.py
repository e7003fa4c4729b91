"""Bytewax: a case from two files of JSON lines to a sink that keeps nothing, in two processes.

run     python -m benchmarks.files.bytewax_peer CASE FOLDER EVENTS SMALL_FOLDER  (its own Python)
clock   from the first batch of lines in either process to the end of both
said    documents through orjson, a batch at a time; windows unordered, by event time alone (by
        default event time runs with the clock, which drops rows of a file as late), and with
        WAIT_S: one process may be so far ahead of the other in its file
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import bytewax.operators as op
import orjson
from benchmarks.files import answer
from bytewax.connectors.files import DirSource
from bytewax.dataflow import Dataflow, Stream
from bytewax.operators import windowing as win
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import cluster_main

CASES = ("q0", "q1", "q2", "q8", "q17", "filter", "tumble", "group")
PROCESSES = 2
WAIT_S = 20
"""Its watermark is per key and knows nothing of the other file; 200 000 events are 20 seconds."""
_UPDATED = {"q17": 1, "group": 1}
"""Cases that give a key again and again, and of how many columns it is."""
_ALIGN = datetime(2026, 1, 1, tzinfo=UTC)
_TEN = timedelta(seconds=10)
_first_s: list[float] = []


class _Rows(StatelessSinkPartition):
    def __init__(self, kept: list[Any] | None) -> None:
        self._kept = kept

    def write_batch(self, items: list[Any]) -> None:
        if self._kept is not None:
            self._kept.extend(items)


class _Sink(DynamicSink):
    """Keeps nothing, or everything in a list."""

    def __init__(self, kept: list[Any] | None) -> None:
        self._kept = kept

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Rows:
        return _Rows(self._kept)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _decoded(lines: list[str]) -> list[Any]:
    if not _first_s:
        _first_s.append(time.monotonic())
    return [orjson.loads(line) for line in lines]


def _bids(events: list[Any]) -> list[Any]:
    return [event["bid"] for event in events if event["event_type"] == 2]


def _clock(of: Callable[[Any], datetime]) -> win.EventClock:
    return win.EventClock(
        ts_getter=of,
        wait_for_system_duration=timedelta(seconds=WAIT_S),
        now_getter=lambda: _ALIGN,
        to_system_utc=lambda _: None,
    )


def _start(number: int) -> datetime:
    return _ALIGN + number * _TEN


def _q1(bids: list[Any]) -> list[Any]:
    rate = Decimal("0.908")
    return [
        (b["auction"], b["bidder"], rate * b["price"], _time(b["dateTime"]), b["extra"])
        for b in bids
    ]


def _q0(bids: list[Any]) -> list[Any]:
    return [(b["auction"], b["bidder"], b["price"], _time(b["dateTime"]), b["extra"]) for b in bids]


def _q2(bids: list[Any]) -> list[Any]:
    return [(b["auction"], b["price"]) for b in bids if b["auction"] % 123 == 0]


def _filtered(rows: list[Any]) -> list[Any]:
    return [
        (r["id"], r["user_id"], r["amount"], _time(r["ts"])) for r in rows if r["amount"] >= 91_000
    ]


def _q8(events: Stream) -> Stream:
    persons = op.filter("persons", events, lambda e: e["event_type"] == 0)
    auctions = op.filter("auctions", events, lambda e: e["event_type"] == 1)
    came = op.map("came", persons, lambda e: (str(e["person"]["id"]), e["person"]))
    sold = op.map("sold", auctions, lambda e: (str(e["auction"]["seller"]), e["auction"]))
    joined = win.join_window(
        "join",
        _clock(lambda row: _time(row["dateTime"])),
        win.TumblingWindower(length=_TEN, align_to=_ALIGN),
        came,
        sold,
        insert_mode="last",
        emit_mode="final",
    )

    def shaped(found: Any) -> Any:
        _, (number, (person, auction)) = found
        if person is None or auction is None:
            return None
        return (person["id"], person["name"], _start(number))

    return op.filter_map("shape", joined.down, shaped)


def _q17(bids: Stream) -> Stream:
    def add(state: Any, bid: Any) -> Any:
        price = bid["price"]
        n, low, middle, high, least, most, total = state or (0, 0, 0, 0, price, price, 0)
        n, total, least, most = n + 1, total + price, min(least, price), max(most, price)
        if price < 10_000:
            low += 1
        elif price < 1_000_000:
            middle += 1
        else:
            high += 1
        row = (bid["auction"], bid["dateTime"][:10], n, low, middle, high, least, most)
        return (n, low, middle, high, least, most, total), (*row, total // n, total)

    keyed = op.key_on("key", bids, lambda b: f"{b['auction']} {b['dateTime'][:10]}")
    return op.map("row", op.stateful_map("add", keyed, add), lambda found: found[1])


def _group(rows: Stream) -> Stream:
    def add(state: Any, row: Any) -> Any:
        n, total = state or (0, 0)
        n, total = n + 1, total + row["amount"]
        return (n, total), (row["item_id"], n, total)

    keyed = op.key_on("key", rows, lambda r: str(r["item_id"]))
    return op.map("row", op.stateful_map("add", keyed, add), lambda found: found[1])


def _tumble(rows: Stream) -> Stream:
    keyed = op.key_on("key", rows, lambda r: str(r["user_id"]))
    folded = win.fold_window(
        "fold",
        keyed,
        _clock(lambda row: _time(row["ts"])),
        win.TumblingWindower(length=_TEN, align_to=_ALIGN),
        builder=lambda: (0, 0),
        folder=lambda sum_, row: (sum_[0] + 1, sum_[1] + row["amount"]),
        merger=lambda one, other: (one[0] + other[0], one[1] + other[1]),
        ordered=False,
    )
    return op.map("row", folded.down, lambda f: (int(f[0]), _start(f[1][0]), *f[1][1]))


def _flow(case: str, folder: str, kept: list[Any] | None) -> Dataflow:
    flow = Dataflow("files")
    lines = op.input("lines", flow, DirSource(Path(folder), glob_pat="*.json"))
    rows: Stream = op.flat_map_batch("decode", lines, _decoded)
    in_batches = {"q0": _q0, "q1": _q1, "q2": _q2, "filter": _filtered}
    if case in ("q0", "q1", "q2", "q17"):
        rows = op.flat_map_batch("bids", rows, _bids)
    if case in in_batches:
        out = op.flat_map_batch(case, rows, in_batches[case])
    else:
        out = {"q8": _q8, "q17": _q17, "tumble": _tumble, "group": _group}[case](rows)
    op.output("out", out, _Sink(kept))
    return flow


def _work(case: str, folder: str, addresses: str, number: str, out: str) -> None:
    """Be one process of the two; print when it began and ended."""
    kept: list[Any] | None = None if out == "-" else []
    cluster_main(_flow(case, folder, kept), addresses.split(","), int(number))
    print(_first_s[0] if _first_s else time.monotonic(), time.monotonic())
    if kept is not None:
        if case in _UPDATED:
            kept = list({row[: _UPDATED[case]]: row for row in kept}.values())
        Path(out).write_text("".join(answer.line(row) + "\n" for row in kept))


def _timed(case: str, folder: str, outs: tuple[str, ...]) -> float:
    """Run both processes and return the seconds from the first batch to the end."""
    addresses = ",".join(f"127.0.0.1:{_free_port()}" for _ in outs)
    head = (sys.executable, "-m", "benchmarks.files.bytewax_peer", "work", case, folder, addresses)
    running = [
        subprocess.Popen((*head, str(i), out), stdout=subprocess.PIPE, text=True)
        for i, out in enumerate(outs)
    ]
    told = [child.communicate()[0].split() for child in running]
    if any(child.returncode for child in running):
        sys.exit(f"ended with {[child.returncode for child in running]}")
    return max(float(t[-1]) for t in told) - min(float(t[-2]) for t in told)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def main() -> None:
    """Verify, then measure."""
    if sys.argv[1] == "work":
        _work(*sys.argv[2:])
        return
    case, folder, events, small = sys.argv[1:]
    with tempfile.TemporaryDirectory() as made:
        outs = tuple(f"{made}/{i}" for i in range(PROCESSES))
        _timed(case, small, outs)
        found = answer.digest(
            line for out in outs for line in Path(out).read_text().split("\n")[:-1]
        )
    seconds = _timed(case, folder, ("-",) * PROCESSES)
    answer.tell(seconds, int(events), found)


if __name__ == "__main__":
    main()
