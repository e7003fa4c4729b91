"""Alerts against a naive twin, under any cut of the input and any restart."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream import types as t
from millstream.engine.batch import FINAL_MARK_MS, MARK, OP, Batch, Op
from millstream.engine.functions import Context
from millstream.engine.operator import Lowering, Operator, operator_for
from millstream.engine.operators.alert import WatchedKeys
from millstream.plan.alert import WHEN, Alert, fingerprint
from millstream.plan.facts import Facts
from millstream.plan.nodes import Values

SCHEMA = t.Schema.of({"k": "STRING", "v": "BIGINT", "ts": "TIMESTAMP(3)", WHEN: "BOOLEAN"})
DELAY_MS = 4


@dataclass(frozen=True)
class Row:
    k: str | None
    v: int | None
    when: bool | None
    ts: int


ROW = st.builds(
    Row,
    k=st.sampled_from(["a", "b", None, "key of more than twelve bytes"]),
    v=st.one_of(st.none(), st.integers(-3, 3)),
    when=st.sampled_from([True, True, False, None]),
    ts=st.integers(0, 25),
)
FOR_MS = st.sampled_from([0, 1, 3, 8])


def alert(for_ms: int, *, timed: bool, key: tuple[str, ...] = ("k",)) -> Alert:
    return Alert(
        input=Values(columns=SCHEMA, rows=()),
        alert="hot",
        condition="v > 0",
        key=key,
        time="ts" if timed else None,
        for_ms=for_ms,
        summary="{k} is at {v}{{!}}",
        severity="critical",
    )


def running(node: Alert, *, changes: bool = False) -> Operator:
    timed = node.time is not None
    facts = Facts(bounded=False, times=("ts",) if timed else (), marks=timed, updates=changes)
    lowering = Lowering(
        ctx=Context(),
        changes_in=(changes,),
        upsert_out=False,
        seed=7,
        bounded=False,
        facts_in=(facts,),
        by_clock=not timed,
    )
    made = operator_for(node, lowering)
    assert isinstance(made, WatchedKeys)
    return made


def restarted(operator: Operator, node: Alert, *, changes: bool = False) -> Operator:
    fresh = running(node, changes=changes)
    fresh.restore(operator.snapshot())
    return fresh


def frame(rows: list[Row], marks: list[int] | None = None) -> pl.DataFrame:
    made = pl.DataFrame(
        {
            "k": pl.Series([r.k for r in rows], dtype=pl.String),
            "v": pl.Series([r.v for r in rows], dtype=pl.Int64),
            "ts": pl.Series([r.ts for r in rows], dtype=pl.Int64).cast(pl.Datetime("ms")),
            WHEN: pl.Series([r.when for r in rows], dtype=pl.Boolean),
        }
    )
    return made if marks is None else made.with_columns(pl.Series(MARK, marks, dtype=pl.Int64))


@dataclass
class Twin:
    """The same by plain Python: one key after the other, sorted at the end."""

    for_ms: int
    key: bool = True
    found: list[tuple[Any, ...]] = field(default_factory=list)

    def of(self, rows: list[Row]) -> list[tuple[Any, ...]]:
        numbered = sorted(enumerate(rows), key=lambda pair: (pair[1].ts, pair[0]))
        keys = dict.fromkeys(r.k if self.key else 0 for r in rows)
        for key in keys:
            self._one([(n, r) for n, r in numbered if not self.key or r.k == key])
        # Ties of one moment: rows as they are taken in, then what is due as it became pending.
        place = {n: i for i, (n, _) in enumerate(numbered)}
        self.found.sort(key=lambda e: (e[0], e[1], place[e[2]]))
        return [
            (n, at, to, since, told) for n, (at, _, _, to, since, told) in enumerate(self.found, 1)
        ]

    def _one(self, rows: list[tuple[int, Row]]) -> None:
        since, begun, newest = None, 0, None
        firing = False
        for n, row in rows:
            if since is not None and not firing and since + self.for_ms < row.ts:
                self._tell(since + self.for_ms, 1, begun, "firing", since, newest)
                firing = True
            if row.when:
                newest = row
                if since is None:
                    since, begun, firing = row.ts, n, self.for_ms == 0
                    self._tell(row.ts, 0, n, "firing" if firing else "pending", since, row)
            elif since is not None:
                self._tell(row.ts, 0, n, "resolved" if firing else "gone", since, row)
                since, firing = None, False
        if since is not None and not firing:
            self._tell(since + self.for_ms, 1, begun, "firing", since, newest)

    def _tell(self, at: int, timed: int, n: int, to: str, since: int, row: Row | None) -> None:
        assert row is not None
        self.found.append((at, timed, n, to, since, row))


def told(out: list[pl.DataFrame]) -> list[tuple[Any, ...]]:
    return [
        (r["number"], r["at"], r["state"], r["s"], r["labels"], r["details"], r["summary"])
        for f in out
        for r in f.with_columns(
            at=pl.col("changed_at").dt.epoch("ms"), s=pl.col("since").dt.epoch("ms")
        ).iter_rows(named=True)
    ]


def expected(
    found: list[tuple[Any, ...]], *, key: bool = True, ts: bool = True
) -> list[tuple[Any, ...]]:
    made = []
    for number, at, to, since, row in found:
        stamp = f"1970-01-01T00:00:00.{row.ts:03d}".rstrip("0").rstrip(".") if row.ts else (
            "1970-01-01T00:00:00"
        )  # fmt: skip
        k = "NULL" if row.k is None else row.k
        v = "NULL" if row.v is None else str(row.v)
        details: dict[str, Any] = {} if key else {"k": row.k}
        details |= {"v": row.v, "ts": stamp}
        labels = json.dumps({"k": k}, separators=(",", ":")) if key else "{}"
        said = json.dumps(details, separators=(",", ":"))
        made.append((number, at, to, since, labels, said, f"{k} is at {v}{{!}}"))
    return made


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(ROW, max_size=30), for_ms=FOR_MS, cuts=st.sets(st.integers(0, 30)),
       crash=st.integers(0, 30))  # fmt: skip
def test_event_time_under_any_cut(rows: list[Row], for_ms: int, cuts: set[int], crash: int) -> None:
    """What fires is decided by the times of rows and the mark, never by where batches end."""
    node = alert(for_ms, timed=True)
    highest, marks = -DELAY_MS - 1, []
    for row in rows:
        marks.append(highest)
        highest = max(highest, row.ts - DELAY_MS)
    operator, out, late = running(node), list[pl.DataFrame](), 0
    stops = sorted({0, *(c for c in cuts if c < len(rows)), len(rows)})
    for start, stop in zip(stops, [*stops[1:], len(rows)], strict=True):
        if start < stop:
            given_ = operator.on_batch(Batch(frame(rows[start:stop], marks[start:stop])))
            late += sum(f.height for f in given_.late)
            assert not given_.out
            after = marks[stop] if stop < len(rows) else highest
            out += operator.on_mark(after).out
        if start >= crash:
            operator = restarted(operator, node)
    out += operator.on_mark(FINAL_MARK_MS).out
    in_time = [r for r, m in zip(rows, marks, strict=True) if r.ts > m]
    assert late == len(rows) - len(in_time)
    assert told(out) == expected(Twin(for_ms).of(in_time))


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(ROW, max_size=30), for_ms=FOR_MS, cuts=st.sets(st.integers(0, 30)),
       keyed=st.booleans())  # fmt: skip
def test_clock_under_any_cut(rows: list[Row], for_ms: int, cuts: set[int], keyed: bool) -> None:
    """Rows of one stamp may come in several batches; a tick between changes nothing."""
    rows = sorted(rows, key=lambda r: r.ts)
    node = alert(for_ms, timed=False, key=("k",) if keyed else ())
    operator, out = running(node), list[pl.DataFrame]()
    stops = {i for i in range(1, len(rows)) if rows[i].ts != rows[i - 1].ts}
    stops |= {c for c in cuts if c < len(rows)}
    edges = sorted({0, *stops, len(rows)})
    for start, stop in pairwise(edges):
        now = rows[start].ts
        out += operator.on_mark(now - 1).out
        out += operator.on_batch(Batch(frame(rows[start:stop]), read_at_ms=now)).out
        operator = restarted(operator, node)
    out += operator.on_mark(FINAL_MARK_MS).out
    assert told(out) == expected(Twin(for_ms, keyed).of(rows), key=keyed)


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(st.tuples(ROW, st.booleans()), max_size=25), for_ms=FOR_MS,
       whole=st.booleans(), old_rows=st.booleans())  # fmt: skip
def test_changes_are_taken_by_key(
    steps: list[tuple[Row, bool]], for_ms: int, whole: bool, old_rows: bool
) -> None:
    """A changed row is no deletion and a new row: only what stands at last counts for its key."""
    node = alert(for_ms, timed=False)
    operator, out = running(node, changes=True), list[pl.DataFrame]()
    plain: list[Row] = []
    for part in batches(changes(steps, old_rows=old_rows), whole=whole):
        now = part[0][0].ts
        made = frame([r for r, _ in part]).with_columns(
            pl.Series(OP, [int(o) for _, o in part], dtype=pl.Int8)
        )
        out += operator.on_mark(now - 1).out
        out += operator.on_batch(Batch(made, read_at_ms=now)).out
        for at, (row, op) in enumerate(part):
            if op is Op.UPDATE_BEFORE and any(r.k == row.k for r, _ in part[at + 1 :]):
                continue
            gone = op in (Op.UPDATE_BEFORE, Op.DELETE)
            plain.append(Row(row.k, row.v, False, now) if gone else row)
    out += operator.on_mark(FINAL_MARK_MS).out
    assert told(out) == expected(Twin(for_ms).of(plain))


def changes(steps: list[tuple[Row, bool]], *, old_rows: bool) -> list[tuple[Row, Op]]:
    """Return inserts, updates and deletions of rows that stand, one row per key."""
    ops: list[tuple[Row, Op]] = []
    stands: dict[str | None, Row] = {}
    for n, (row, goes) in enumerate(sorted(steps, key=lambda s: s[0].ts)):
        before = stands.pop(row.k, None)
        old = None if before is None else Row(before.k, before.v, before.when, row.ts)
        if goes and old is not None:
            # A filter above turns the change of a row into its old row alone.
            ops.append((old, Op.DELETE if n % 2 else Op.UPDATE_BEFORE))
            continue
        if old is not None and old_rows:
            ops.append((old, Op.UPDATE_BEFORE))
        ops.append((row, Op.INSERT if old is None else Op.UPDATE_AFTER))
        stands[row.k] = row
    return ops


def batches(ops: list[tuple[Row, Op]], *, whole: bool) -> list[list[tuple[Row, Op]]]:
    """Cut changes: an old row and the new one behind it stay together."""
    made: list[list[tuple[Row, Op]]] = []
    for one in ops:
        last = made[-1] if made else []
        same = bool(last) and last[-1][0].ts == one[0].ts
        if same and (whole or last[-1][1] is Op.UPDATE_BEFORE):
            last.append(one)
        else:
            made.append([one])
    return made


def test_firing_keys_hold_no_values() -> None:
    """An alert that fires for weeks must not keep texts that nobody asks for."""
    node = alert(0, timed=False)
    operator = running(node)
    rows = [Row("x" * 40 + str(i), i, True, 1) for i in range(100)]
    operator.on_batch(Batch(frame(rows), read_at_ms=1))
    assert operator.state_rows == 100
    operator.on_batch(Batch(frame([Row(r.k, r.v, False, 2) for r in rows]), read_at_ms=2))
    assert operator.state_rows == 0


def test_another_length_keeps_what_is_pending() -> None:
    """Who makes an alert more patient must not be told of it anew, nor lose what burns."""
    operator = running(alert(10, timed=False))
    operator.on_batch(Batch(frame([Row("a", 1, True, 5)]), read_at_ms=5))
    fresh = running(alert(30, timed=False))
    fresh.restore(operator.snapshot())
    assert not fresh.on_mark(34).out
    ((number, at, state, since, *_),) = told(list(fresh.on_mark(35).out))
    assert (number, at, state, since) == (2, 35, "firing", 5)


def test_a_null_key_is_an_alert_of_its_own() -> None:
    """NULL and the text 'NULL' are two keys, so that the end of one must not end the other."""
    operator = running(alert(0, timed=False))
    rows = [Row("NULL", 1, True, 1), Row(None, 1, True, 1), Row("a", 1, True, 1)]
    (out,) = operator.on_batch(Batch(frame(rows), read_at_ms=1)).out
    assert out["labels"].to_list() == ['{"k":"NULL"}', '{"k":"NULL"}', '{"k":"a"}']
    assert out["fingerprint"].n_unique() == 3
    assert out["fingerprint"][2] == fingerprint("hot", '{"k":"a"}')
