"""A table the tests script: what it answers, when, and how often it fails before it does."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from millstream.errors import ConnectorError, Retry
from millstream.ports.connector import Connector
from millstream.ports.lookup import ASK, Lookup, LookupSpec
from millstream.settings import option

GATE_S = 20


@dataclass
class Answers:
    """``gates``: a key is answered when its gate is open. Each key's row is its name, n<key>."""

    gates: dict[int, threading.Event] = field(default_factory=dict)
    failures: int = 0
    retry: Retry = Retry.LATER
    missing: frozenset[int] = frozenset()
    asked: list[list[int]] = field(default_factory=list)
    closed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedConfig:
    """The answers themselves."""

    answers: Any = option("answers", "An Answers.", kind="any")


class ScriptedLookup(Lookup):
    """Answers as the script says."""

    def __init__(self, spec: LookupSpec) -> None:
        self.answers: Answers = spec.config.answers

    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        answers = self.answers
        ids: list[int] = keys.to_series().to_list()
        answers.asked.append(ids)
        for id_ in ids:
            if id_ in answers.gates and not answers.gates[id_].wait(GATE_S):
                raise ConnectorError("The gate stayed closed.")
        if answers.failures:
            answers.failures -= 1
            raise ConnectorError("The script says so.", where="the script", retry=answers.retry)
        found = [(i, id_, f"n{id_}") for i, id_ in enumerate(ids) if id_ not in answers.missing]
        schema = {ASK: pl.Int64, "id": pl.Int32, "name": pl.String}
        return pl.DataFrame(found, schema=schema, orient="row")

    def close(self) -> None:
        self.answers.closed += 1


CONNECTOR = Connector(
    name="scripted-lookup",
    doc="Answers of a test.",
    config=ScriptedConfig,
    lookup=ScriptedLookup,
)
