"""Pathway: a case from a file of JSON lines to its own null sink, in its static mode.

run     python -m benchmarks.files.pathway_peer CASE FILE EVENTS SMALL_FILE  (Pathway's own Python,
        PATHWAY_THREADS workers)
clock   the whole of ``pw.run``; the small file is answered in a process of its own before it
said    fields are taken out of the documents while they are read (``json_field_paths``), only those
        a query needs; there is no DECIMAL: q1 counts in thousandths
"""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pathway as pw
from benchmarks.files import answer

CASES = ("q0", "q1", "q2", "q5", "q8", "q17", "filter", "tumble", "group")
_TIME = "%Y-%m-%d %H:%M:%S%.3f"
_TEXT = ("name", "extra", "dateTime")
_TEN = timedelta(seconds=10)


def _events(file: str, fields: dict[str, str]) -> pw.Table:
    """Read ``event_type`` and some fields, each from its place in the document."""
    kinds = {"event_type": pw.column_definition(dtype=int)}
    for name in fields:
        kind = str if name.startswith(_TEXT) else int
        kinds[name] = pw.column_definition(dtype=kind | None, default_value=None)
    schema = pw.schema_builder(kinds, name="Events")
    return pw.io.jsonlines.read(file, schema=schema, mode="static", json_field_paths=fields)


def _bids(file: str, *names: str) -> pw.Table:
    events = _events(file, {name: f"/bid/{name}" for name in names})
    bids = events.filter(events.event_type == 2)
    return bids.select(**{name: pw.unwrap(bids[name]) for name in names})


def _stamped(rows: pw.Table) -> pw.Table:
    return rows.with_columns(dateTime=rows.dateTime.dt.strptime(_TIME))


def _stateless(case: str, file: str) -> pw.Table:
    if case == "q2":
        bids = _bids(file, "auction", "price")
        return bids.filter(bids.auction % 123 == 0)
    bids = _stamped(_bids(file, "auction", "bidder", "price", "dateTime", "extra"))
    return bids if case == "q0" else bids.with_columns(price=bids.price * 908)


def _q5(file: str) -> pw.Table:
    bids = _stamped(_bids(file, "auction", "dateTime"))
    window = pw.temporal.sliding(hop=timedelta(seconds=2), duration=_TEN)
    counted = bids.windowby(bids.dateTime, window=window, instance=bids.auction).reduce(
        auction=pw.this._pw_instance, start=pw.this._pw_window_start, num=pw.reducers.count()
    )
    most = counted.groupby(counted.start).reduce(counted.start, most=pw.reducers.max(counted.num))
    both = counted.join(most, counted.start == most.start).select(
        counted.auction, counted.num, most.most
    )
    return both.filter(both.num == both.most).select(pw.this.auction, pw.this.num)


def _q8(file: str) -> pw.Table:
    fields = {
        "person_id": "/person/id",
        "name": "/person/name",
        "dateTime_person": "/person/dateTime",
    }
    fields |= {"seller": "/auction/seller", "dateTime_auction": "/auction/dateTime"}
    events = _events(file, fields)
    persons = events.filter(events.event_type == 0).select(
        person_id=pw.unwrap(pw.this.person_id),
        name=pw.unwrap(pw.this.name),
        dateTime=pw.unwrap(pw.this.dateTime_person).dt.strptime(_TIME),
    )
    auctions = events.filter(events.event_type == 1).select(
        seller=pw.unwrap(pw.this.seller),
        dateTime=pw.unwrap(pw.this.dateTime_auction).dt.strptime(_TIME),
    )
    window = pw.temporal.tumbling(duration=_TEN)
    came = persons.windowby(persons.dateTime, window=window, instance=persons.person_id).reduce(
        person_id=pw.this._pw_instance,
        start=pw.this._pw_window_start,
        name=pw.reducers.any(pw.this.name),
    )
    sold = auctions.windowby(auctions.dateTime, window=window, instance=auctions.seller).reduce(
        seller=pw.this._pw_instance, start=pw.this._pw_window_start
    )
    return came.join(sold, came.person_id == sold.seller, came.start == sold.start).select(
        came.person_id, came.name, came.start
    )


def _q17(file: str) -> pw.Table:
    bids = _stamped(_bids(file, "auction", "price", "dateTime"))
    bids = bids.with_columns(day=bids.dateTime.dt.strftime("%Y-%m-%d"))
    low, high = bids.price < 10_000, bids.price >= 1_000_000

    def counted(condition: Any) -> Any:
        return pw.reducers.sum(pw.if_else(condition, 1, 0))

    return bids.groupby(bids.auction, bids.day).reduce(
        bids.auction,
        bids.day,
        n=pw.reducers.count(),
        low=counted(low),
        middle=counted(~low & ~high),
        high=counted(high),
        least=pw.reducers.min(bids.price),
        most=pw.reducers.max(bids.price),
        average=pw.reducers.sum(bids.price) // pw.reducers.count(),
        total=pw.reducers.sum(bids.price),
    )


def _plain(case: str, file: str) -> pw.Table:
    kinds = dict.fromkeys(("number", "user_id", "item_id", "amount"), int) | {"ts": str}
    wanted = {
        "filter": ("number", "user_id", "amount", "ts"),
        "tumble": ("user_id", "amount", "ts"),
        "group": ("item_id", "amount"),
    }[case]
    schema = pw.schema_builder(
        {name: pw.column_definition(dtype=kinds[name]) for name in wanted}, name="Plain"
    )
    places = {"number": "/id"} if case == "filter" else None  # Pathway keeps the name id for itself
    rows = pw.io.jsonlines.read(file, schema=schema, mode="static", json_field_paths=places)
    if case == "group":
        return rows.groupby(rows.item_id).reduce(
            rows.item_id, n=pw.reducers.count(), total=pw.reducers.sum(rows.amount)
        )
    if case == "filter":
        rows = rows.filter(rows.amount >= 91_000)
        return rows.with_columns(ts=rows.ts.dt.strptime(_TIME))
    rows = rows.with_columns(ts=rows.ts.dt.strptime(_TIME))
    window = pw.temporal.tumbling(duration=_TEN)
    return rows.windowby(rows.ts, window=window, instance=rows.user_id).reduce(
        user_id=pw.this._pw_instance,
        start=pw.this._pw_window_start,
        n=pw.reducers.count(),
        total=pw.reducers.sum(pw.this.amount),
    )


def _table(case: str, file: str) -> pw.Table:
    if case in ("q0", "q1", "q2"):
        return _stateless(case, file)
    made = {"q5": _q5, "q8": _q8, "q17": _q17}.get(case)
    return _plain(case, file) if made is None else made(file)


def _verify(case: str, file: str) -> None:
    """Print how many rows the answer has, and their hash."""
    left: dict[Any, dict[str, Any]] = {}

    def change(key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:
        if is_addition:
            left[key] = row
        elif left.get(key) == row:
            del left[key]

    pw.io.subscribe(_table(case, file), on_change=change)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
    rows = [list(row.values()) for row in left.values()]
    if case == "q1":
        rows = [[a, b, Decimal(price).scaleb(-3), *more] for a, b, price, *more in rows]
    print(*answer.digest(map(answer.line, rows)))


def main() -> None:
    """Verify in another process, then measure."""
    if sys.argv[1] == "verify":
        _verify(*sys.argv[2:])
        return
    case, file, events, small = sys.argv[1:]
    asked = (sys.executable, "-m", "benchmarks.files.pathway_peer", "verify", case, small)
    done = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True)
    rows, checksum = done.stdout.split()[-2:]
    pw.io.null.write(_table(case, file))
    before_s = time.perf_counter()
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
    answer.tell(time.perf_counter() - before_s, int(events), (int(rows), checksum))


if __name__ == "__main__":
    main()
