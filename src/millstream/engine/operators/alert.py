"""An alert: per key a condition that becomes true, is held, and becomes false.

in      rows with a BOOLEAN ``$when``, which NULL does not make true; a key's newest row counts,
        and a key whose row was deleted has no condition. By event time rows wait until the mark
        has passed them and are taken in the order of time, then arrival; by the clock as they come
state   the keys whose alert is pending or firing, with the values of a pending one's newest row;
        the rows that the mark has not passed; the number of the last transition
out     one row per transition, by its time: true → ``pending``, held for ``for_ms`` → ``firing``,
        false → ``resolved``, or ``gone`` where it was only pending. Without ``for_ms`` a true row
        fires at once. A condition must still hold for all rows of the moment at which it fires
number  transitions of all keys are numbered in the order in which they are given, which no cut of
        the input changes; ``fingerprint`` is the same for an alert and key for ever
late    a row whose time the watermark has reached already (event time only)
change  another condition, ``for_ms``, severity or summary keeps the state: since when a key's
        condition holds. Its next row says whether it still does
end     at the end of the input what is pending fires, as all time has passed
source  the states are those of Prometheus' alerts; time is that of the rows instead of polls
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from millstream.columns.physical import polars_schema, polars_type
from millstream.columns.text import text_of
from millstream.engine.batch import FINAL_MARK_MS, MARK, OP, Batch, Op
from millstream.engine.functions.json_text import json_of, string_of
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot, lowers
from millstream.engine.operators.rank_first import milliseconds
from millstream.engine.state.arena import Arena
from millstream.engine.state.jit import kernel
from millstream.engine.state.kept_rows import keyed_rows
from millstream.engine.state.key_index import keys_of
from millstream.engine.state.slots import LIVE, Rows
from millstream.engine.state.waiting import ARRIVED, Waiting
from millstream.plan.alert import FIRING, GONE, PENDING, RESOLVED, STATES, WHEN, Alert, fingerprint
from millstream.types import Schema

# The operator's own words of a key: its state, since when its condition is true, its place among
# the pending ones, and the row of this batch that is its newest, + 1.
STATE, SINCE, TURN, NEWEST = range(4)
OWN_WORDS = 4
NONE = 0
IS_PENDING, IS_FIRING = STATES.index(PENDING) + 1, STATES.index(FIRING) + 1
TO_RESOLVED, TO_GONE = STATES.index(RESOLVED) + 1, STATES.index(GONE) + 1
NEVER_MS = FINAL_MARK_MS


@dataclass(frozen=True, slots=True)
class _Events:
    """Transitions: to which state, of which key, when, since when, of which row (-1 = kept)."""

    to: np.ndarray
    slots: np.ndarray
    at_ms: np.ndarray
    since_ms: np.ndarray
    rows: np.ndarray
    timed: np.ndarray
    ties: np.ndarray

    def sorted(self) -> _Events:
        """Return them in an order that no cut changes: rows of a moment before what was due."""
        order = np.lexsort((self.ties, self.timed, self.at_ms))
        return _Events(*(getattr(self, name)[order] for name in _COLUMNS))


_COLUMNS = ("to", "slots", "at_ms", "since_ms", "rows", "timed", "ties")


class WatchedKeys(Operator):
    """One running alert."""

    def __init__(self, node: Alert, lowering: Lowering) -> None:
        given = node.input.schema
        schema = polars_schema(given)
        self.uid = node.uid
        self._node = node
        self._given = given
        self._by_clock = lowering.by_clock
        self._for_ms = node.for_ms
        self._time_type = polars_type(node.schema.type_of("changed_at"))
        self._gives = tuple(polars_schema(node.schema))
        self._arena = Arena()
        users = {name: schema[name] for name in node.values_and_key}
        self._index, self._values = keyed_rows(
            users, node.key, OWN_WORDS, lowering.seed, self._arena
        )
        self._own = self._index.extra
        empty = pl.DataFrame(schema=schema)
        self._names = empty.columns
        self._waiting = None
        if not self._by_clock:
            assert node.time is not None, "without a time an alert goes by the clock"
            self._waiting = Waiting(node.time, empty)
        self._turn = 0
        self._number = 0
        self._due_ms = NEVER_MS
        """No pending key is due before."""

    # ------------------------------------------------------------------ rows

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "an alert has one input"
        frame = batch.frame
        if not frame.height:
            return NOTHING
        if self._waiting is None:
            times = np.full(frame.height, batch.read_at_ms, dtype=np.int64)
            return self._outputs(self._step(frame, times))
        late: tuple[pl.DataFrame, ...] = ()
        if MARK in frame.columns:
            behind = milliseconds(frame[str(self._node.time)]) <= frame[MARK].to_numpy()
            if behind.any():
                mask = pl.Series(behind)
                late = (frame.filter(mask).drop(WHEN),)
                frame = frame.filter(~mask)
        self._waiting.add(frame.select(self._names))
        return Outputs(late=late) if late else NOTHING

    def on_mark(self, mark_ms: int) -> Outputs:
        if self._waiting is not None and len(self._waiting):
            rows = self._waiting.take(mark_ms).drop(ARRIVED)
            if rows.height:
                times = milliseconds(rows[str(self._node.time)])
                # What is due meanwhile is given among the rows, in the order of time.
                return self._outputs(self._step(rows, times, mark_ms))
        return self._outputs(self._passed(mark_ms))

    def _passed(self, mark_ms: int) -> list[pl.DataFrame]:
        """Give what is due where no row comes."""
        if self._due_ms == NEVER_MS or mark_ms < self._due_ms:
            return []
        events = self._due(mark_ms)
        told = self._told(events, None)
        self._release(events.slots)
        return [told]

    def _step(
        self, frame: pl.DataFrame, times: np.ndarray, mark_ms: int | None = None
    ) -> list[pl.DataFrame]:
        """Take rows in the order of time; then what is due by the mark."""
        slots, true = self._touched(frame)
        rows = np.flatnonzero(slots >= 0)
        if not rows.size:
            return [] if mark_ms is None else self._passed(mark_ms)
        events = _Events(
            *watch(
                self._index.rows.view,
                self._own,
                slots[rows],
                rows,
                times[rows],
                true[rows],
                self._for_ms,
                self._turn,
            )
        )
        self._turn += frame.height
        begun = events.to == IS_PENDING
        if begun.any():
            self._due_ms = min(self._due_ms, int(events.since_ms[begun].min()) + self._for_ms)
        if mark_ms is not None and self._due_ms < NEVER_MS and mark_ms >= self._due_ms:
            events = _joined(events, self._due(mark_ms, newest=True))
        told = [self._told(events, frame)] if events.to.size else []
        self._release(np.unique(events.slots[events.to == IS_FIRING]))
        self._settle(np.unique(slots[rows]), frame)
        return told

    def _touched(self, frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return the slot of each row whose key matters, -1 for others, and what rows do."""
        true = frame[WHEN].fill_null(value=False).to_numpy()
        old = np.zeros(frame.height, dtype=np.bool_)
        if OP in frame.columns:
            ops = frame[OP].to_numpy()
            old = ops == Op.UPDATE_BEFORE
            true = true & ~old & (ops != Op.DELETE)
        keys = keys_of(frame, self._node.key)
        slots = np.full(frame.height, -1, dtype=np.int64)
        if true.any():
            self._index.upsert(keys.filter(pl.Series(true)) if self._node.key else keys)
        if len(self._index):
            slots = self._index.lookup(keys)
        if old.any():
            # An old row is a deletion where no new one of its key follows in the batch.
            slots[old & ~_is_last(slots)] = -1
        return slots, true

    def _due(self, mark_ms: int, *, newest: bool = False) -> _Events:
        """Fire what has been held for long enough; ``newest``: rows of the batch may be newer."""
        matrix = self._index.rows.matrix()
        pending = np.flatnonzero(
            (matrix[:, 0] >= LIVE) & (matrix[:, self._own + STATE] == IS_PENDING)
        )
        due = matrix[pending, self._own + SINCE] + self._for_ms
        is_due = due <= mark_ms
        left = due[~is_due]
        self._due_ms = int(left.min()) if left.size else NEVER_MS
        slots = pending[is_due]
        matrix[slots, self._own + STATE] = IS_FIRING
        own = matrix[slots]
        rows = own[:, self._own + NEWEST] - 1 if newest else np.full(slots.size, -1)
        count = slots.size
        return _Events(
            np.full(count, IS_FIRING),
            slots,
            due[is_due],
            own[:, self._own + SINCE],
            rows,
            np.ones(count, dtype=np.int64),
            own[:, self._own + TURN],
        )

    def _settle(self, touched: np.ndarray, frame: pl.DataFrame) -> None:
        """Keep the newest values of what is pending, and forget the keys that have no alert."""
        matrix = self._index.rows.matrix()
        states = matrix[touched, self._own + STATE]
        newest = matrix[touched, self._own + NEWEST] - 1
        matrix[touched, self._own + NEWEST] = 0
        self._release(touched)
        keeps = (states == IS_PENDING) & (newest >= 0)
        self._values.put(touched[keeps], frame[newest[keeps]].select(self._values.names))
        self._index.free(touched[states == NONE])

    def _release(self, slots: np.ndarray) -> None:
        """Forget values; their words are zeroed, so that nothing is given back twice."""
        self._values.free(slots)
        first = self._own + OWN_WORDS
        self._index.rows.matrix()[slots, first : first + self._values.words] = 0

    # ------------------------------------------------------------------ output

    def _told(self, events: _Events, frame: pl.DataFrame | None) -> pl.DataFrame:
        """Return transitions as rows; ``frame`` holds the rows they name."""
        events = events.sorted()
        keys = self._index.keys(events.slots)
        kept = events.rows < 0
        names = self._values.names
        stored = self._values.get(events.slots[kept])
        if frame is None:
            values = stored
        else:
            both = pl.concat([frame[events.rows[~kept]].select(names), stored], how="vertical")
            places = np.empty(kept.size, dtype=np.int64)
            places[~kept] = np.arange((~kept).sum())
            places[kept] = np.arange((~kept).sum(), kept.size)
            values = both[places] if names else both
        count = events.to.size
        numbers = np.arange(self._number + 1, self._number + 1 + count)
        self._number += count
        whole = pl.DataFrame(
            [
                *keys.iter_columns(),
                *values.iter_columns(),
                pl.Series("$to", events.to),
                pl.Series("$since", events.since_ms),
                pl.Series("$at", events.at_ms),
                pl.Series("$number", numbers, dtype=pl.Int64),
            ]
        )
        return self._spelled(whole)

    def _spelled(self, whole: pl.DataFrame) -> pl.DataFrame:
        node = self._node
        labels = {name: _text(name, self._given) for name in node.key}
        shown = {name: string_of(text.fill_null("NULL")) for name, text in labels.items()}
        # NULL and the text 'NULL' look alike and are two keys.
        known = {name: string_of(text).fill_null("null") for name, text in labels.items()}
        details = {
            name: json_of(pl.col(name), self._given.type_of(name)).fill_null("null")
            for name in node.values
        }
        summary: list[pl.Expr] = []
        for text, name in node.summary_parts:
            summary += [pl.lit(text)] if text else []
            summary += [] if name is None else [_text(name, self._given).fill_null("NULL")]
        states = {i + 1: name for i, name in enumerate(STATES)}
        made = whole.with_columns(
            pl.lit(node.alert).alias("alert"),
            pl.col("$to").replace_strict(states, return_dtype=pl.String).alias("state"),
            pl.lit(node.severity).alias("severity"),
            _object(shown).alias("labels"),
            _object(known).alias("$known"),
            _text_of_parts(summary).alias("summary"),
            self._instant("$since").alias("since"),
            self._instant("$at").alias("changed_at"),
            _object(details).alias("details"),
            pl.col("$number").alias("number"),
        )
        # Row by row, for a transition is rare and Polars' own hashes change between versions.
        marks = [fingerprint(node.alert, text) for text in made["$known"].to_list()]
        return made.with_columns(pl.Series("fingerprint", marks)).select(self._gives)

    def _instant(self, name: str) -> pl.Expr:
        zone = getattr(self._time_type, "time_zone", None)
        return pl.col(name).cast(pl.Datetime("ms", zone)).cast(self._time_type)

    def _outputs(self, frames: list[pl.DataFrame]) -> Outputs:
        return Outputs(out=tuple(frames)) if frames else NOTHING

    # ------------------------------------------------------------------ state

    def snapshot(self) -> Snapshot:
        slots = self._index.rows.live()
        own = self._index.rows.matrix()[slots, self._own : self._own + NEWEST]
        words = {
            name: pl.Series(own[:, place])
            for place, name in enumerate(("$state", "$since", "$turn"))
        }
        keys = pl.concat(
            [self._index.keys(slots), self._values.get(slots), pl.DataFrame(words)],
            how="horizontal",
        )
        tables = {"keys": keys}
        facts = {"turn": self._turn, "number": self._number, "arrived": 0}
        if self._waiting is not None:
            tables["waiting"], facts["arrived"] = self._waiting.save()
        return Snapshot(tables, facts)

    def restore(self, snapshot: Snapshot) -> None:
        keys = snapshot.tables["keys"]
        slots = self._index.restore(keys_of(keys, self._node.key))
        matrix = self._index.rows.matrix()
        for place, name in enumerate(("$state", "$since", "$turn")):
            matrix[slots, self._own + place] = keys[name].to_numpy()
        self._values.put(slots, keys.select(self._values.names))
        self._turn = int(snapshot.facts["turn"])
        self._number = int(snapshot.facts["number"])
        pending = matrix[slots, self._own + STATE] == IS_PENDING
        since = matrix[slots[pending], self._own + SINCE]
        self._due_ms = int(since.min()) + self._for_ms if since.size else NEVER_MS
        if self._waiting is not None:
            self._waiting.load(snapshot.tables["waiting"], int(snapshot.facts["arrived"]))

    @property
    def state_bytes(self) -> int:
        waiting = 0 if self._waiting is None else self._waiting.bytes_used
        return self._arena.bytes_used + waiting

    @property
    def state_rows(self) -> int:
        return len(self._index) + (0 if self._waiting is None else len(self._waiting))


@lowers(Alert)
def _(node: Alert, lowering: Lowering) -> Operator:
    return WatchedKeys(node, lowering)


def _text(name: str, schema: Schema) -> pl.Expr:
    return text_of(pl.col(name), schema.type_of(name))


def _json_text(text: str) -> str:
    return pl.select(string_of(pl.lit(text))).to_series()[0]


def _object(members: dict[str, pl.Expr]) -> pl.Expr:
    """Return a JSON object of members that are JSON."""
    if not members:
        return pl.lit("{}")
    said = [pl.concat_str(pl.lit(f"{_json_text(name)}:"), v) for name, v in members.items()]
    return pl.concat_str(pl.lit("{"), pl.concat_str(said, separator=","), pl.lit("}"))


def _text_of_parts(parts: list[pl.Expr]) -> pl.Expr:
    return pl.concat_str(parts) if len(parts) > 1 else (parts or [pl.lit("")])[0]


def _is_last(slots: np.ndarray) -> np.ndarray:
    """Tell which rows are the last of their slot."""
    _, backwards = np.unique(slots[::-1], return_index=True)
    last = np.zeros(slots.size, dtype=np.bool_)
    last[slots.size - 1 - backwards] = True
    return last


def _joined(one: _Events, other: _Events) -> _Events:
    pairs = ((getattr(one, name), getattr(other, name)) for name in _COLUMNS)
    return _Events(*(np.concatenate(pair) for pair in pairs))


@kernel
def watch(
    keys: Rows,
    at: int,
    slots: np.ndarray,
    rows: np.ndarray,
    times: np.ndarray,
    whens: np.ndarray,
    for_ms: int,
    turn: int,
) -> np.ndarray:
    """Move the state of each row's key; returns the transitions as the columns of `_Events`."""
    found = np.empty((7, 2 * slots.size), dtype=np.int64)
    words = keys.words
    n = 0
    for i in range(slots.size):
        p = slots[i] * keys.width + at
        time = times[i]
        state, since = words[p + STATE], words[p + SINCE]
        if state == IS_PENDING and since + for_ms < time:
            found[0, n], found[1, n] = IS_FIRING, slots[i]
            found[2, n], found[3, n] = since + for_ms, since
            found[4, n], found[5, n], found[6, n] = words[p + NEWEST] - 1, 1, words[p + TURN]
            n += 1
            state = IS_FIRING
        to = NONE
        if whens[i]:
            if state == NONE:
                since = time
                state = IS_PENDING if for_ms > 0 else IS_FIRING
                to = state
                words[p + SINCE] = time
                words[p + TURN] = turn + rows[i]
            words[p + NEWEST] = rows[i] + 1
        elif state != NONE:
            to = TO_GONE if state == IS_PENDING else TO_RESOLVED
            state = NONE
        if to != NONE:
            found[0, n], found[1, n], found[2, n] = to, slots[i], time
            found[3, n], found[4, n] = since, rows[i]
            found[5, n], found[6, n] = 0, turn + rows[i]
            n += 1
        words[p + STATE] = state
    return found[:, :n].copy()
