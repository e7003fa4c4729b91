"""A lowered plan without sources, sinks or threads: rows in, rows out, any cut, any crash.

This is what :mod:`millstream.testing` and the laws run: the same steps as a live pipeline, fed by
hand. A table is fed by name; ``restarted`` gives a fresh harness that took a snapshot back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import polars as pl

from millstream.engine.checkpoint import decode_state, encode_state, restored, state_of
from millstream.engine.functions import Context
from millstream.engine.graph import Delivery
from millstream.engine.lower import lower
from millstream.engine.operator import Ask, Asking, Resolver
from millstream.engine.rejects import shown
from millstream.engine.scan import Block
from millstream.plan.derive import Derived


@dataclass
class Harness:
    """One running plan fed by hand; ``out[sink name]`` collects what each sink was given."""

    derived: Derived
    ctx: Context = field(default_factory=Context)
    seed: int = 0
    ttl_ms: int = 0
    out: dict[str, list[pl.DataFrame]] = field(default_factory=dict)
    rejected: list[pl.DataFrame] = field(default_factory=list)
    started: bool = False
    answers: bool = True
    """Whether asks are answered in the turn that makes them; else by :meth:`answer`."""
    now_ms: int = 0
    """The clock stamp of the last turn: that of the answers."""

    def __post_init__(self) -> None:
        self.graph = lower(self.derived, self.ctx, seed=self.seed, ttl_ms=self.ttl_ms)
        self.graph.on_rejected = lambda aside: self.rejected.append(shown(aside))
        self._names = [sink.table.name for sink in self.derived.plan.sinks]
        for name in self._names:
            self.out.setdefault(name, [])
        self._resolvers: dict[int, Resolver] = {}
        self._asked: list[tuple[int, Ask]] = []
        self._scans: dict[str, list[int]] = {}
        for index, stage in enumerate(self.graph.stages):
            self._scans.setdefault(stage.table.name, []).append(index)

    def start(self) -> None:
        """Run what reads no table; done by the first ``feed`` otherwise."""
        if not self.started:
            self.started = True
            self._take(self.graph.start())

    def feed(
        self, table: str, frame: pl.DataFrame, *, split: str = "0", read_at_ms: int = 0
    ) -> None:
        """Push rows of a table: physical and metadata columns, ``$op`` if it changes."""
        self.start()
        self.now_ms = max(self.now_ms, read_at_ms)
        for index in self._scans[table]:
            scanned = self.graph.stages[index].turn([Block(split, frame)], read_at_ms)
            self._take(self.graph.turn(index, scanned.batch, scanned.rejected))

    def advance(self, table: str, mark_ms: int) -> None:
        """Raise the mark of a table without rows."""
        self.start()
        for index in self._scans[table]:
            self.graph.stages[index].marks.raise_to(mark_ms)
            self._take(self.graph.turn(index, self.graph.stages[index].turn([], 0).batch))

    def tick(self, now_ms: int) -> None:
        """Let the clock run where no rows come."""
        self.start()
        self.now_ms = max(self.now_ms, now_ms)
        self._take(self.graph.tick(now_ms))

    def finish(self, table: str | None = None) -> None:
        """End one table's input, or that of all tables."""
        self.start()
        for index, stage in enumerate(self.graph.stages):
            if table in (None, stage.table.name):
                stage.finish()
                self._take(self.graph.turn(index, stage.turn([], 0).batch))

    def restarted(self) -> Harness:
        """Return a fresh harness that goes on from this one's state, after an encode and decode."""
        fresh = replace(self, rejected=self.rejected)
        facts, tables = encode_state(state_of(self.graph))
        fresh.graph = restored(fresh.graph, decode_state(json.loads(json.dumps(facts)), tables))
        for item in fresh.graph.recall():
            fresh.out[self._names[item.sink]] = [item.frame]
        return fresh

    def answer(self) -> None:
        """Answer all asks, one after the other, at the time of the last turn."""
        while self.answer_one(0):
            pass

    def answer_one(self, which: int) -> bool:
        """Answer one of the open asks (0 the oldest, -1 the newest); False if there is none."""
        self._asked.extend(self.graph.asks())
        if not self._asked:
            return False
        index, ask = self._asked.pop(which)
        if index not in self._resolvers:
            operator = self.graph.steps[index].operator
            assert isinstance(operator, Asking), "only steps that ask have a resolver"
            self._resolvers[index] = operator.resolver()
        resolver = self._resolvers[index]
        reply = resolver.at_once(ask.payload, self.now_ms)
        if reply is None:
            reply = resolver.answer(ask.payload, self.now_ms)
        self._hand_out(self.graph.reply(index, ask.number, reply, self.now_ms))
        return True

    def _take(self, delivered: list[Delivery]) -> None:
        self._hand_out(delivered)
        if self.answers:
            self.answer()

    def _hand_out(self, delivered: list[Delivery]) -> None:
        for item in delivered:
            self.out[self._names[item.sink]].append(item.frame)
