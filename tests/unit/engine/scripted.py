"""A source the tests script: rows per split, bounded or not, with gates and a crash on demand."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from millstream.errors import ConnectorError
from millstream.ports.connector import Chunk, Connector, End, Reader, Source, SourceSpec
from millstream.settings import option


@dataclass
class Script:
    """What a scripted table does."""

    rows: dict[str, pl.DataFrame]
    bounded: bool = True
    gates: dict[str, threading.Event] = field(default_factory=dict)
    delay_s: dict[str, float] = field(default_factory=dict)
    fail_after: int | None = None
    polls: int = 0
    committed: dict[str, int] = field(default_factory=dict)
    chunk_rows: int = 1_000_000
    row_bytes: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedConfig:
    """The script itself."""

    script: Any = option("script", "A Script.", kind="any")


class ScriptedSource(Source):
    """Reads what the script says."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.bounded = script.bounded

    def splits(self) -> Sequence[str]:
        return tuple(self.script.rows)

    def open(self, split: str, *, resume: Any | None) -> Reader:
        return _Reader(self.script, split, resume or 0)


class _Reader(Reader):
    def __init__(self, script: Script, split: str, start: int) -> None:
        self.script, self.split, self.at = script, split, start

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        script, rows = self.script, self.script.rows[self.split]
        script.polls += 1
        gate = script.gates.get(self.split)
        if gate is not None and not gate.is_set():
            gate.wait(min(timeout_s, 0.01))
            return None
        if script.delay_s.get(self.split):
            time.sleep(script.delay_s[self.split])  # a slow split, not a wait for an event
        if script.fail_after is not None and self.at >= script.fail_after:
            raise ConnectorError("The script says so.", where=self.split)
        frame = rows.slice(self.at, min(max_rows, script.chunk_rows))
        if not frame.height:
            if script.bounded:
                raise End
            return None
        self.at += frame.height
        return Chunk(frame=frame, resume=self.at, bytes=script.row_bytes * frame.height)

    def commit(self, resume: Any) -> None:
        self.script.committed[self.split] = resume


def _source(spec: SourceSpec) -> Source:
    return ScriptedSource(spec.config.script)


CONNECTOR = Connector(
    name="scripted",
    doc="What a test says.",
    config=ScriptedConfig,
    source=_source,
    bounded=lambda config: config.script.bounded,
    guarantee="exactly once",
)
