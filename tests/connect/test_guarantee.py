"""What ``explain`` promises of each sink, before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import millstream as ms
from millstream.errors import PlanError
from millstream.job import Job
from millstream.plan.nodes import Plan
from millstream.ports.guarantee import exactly_once, guarantees
from millstream.settings import DeliveryChoice, Settings

SOURCE = "CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '3');"
HEARD = (
    "CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'socket', 'hostname' = 'h', "
    "'port' = '1', 'format' = 'json');"
)
Explain = Callable[..., dict[str, tuple[str, ...]]]


def plan_of(source: str, *sinks: dict[str, str]) -> Plan:
    """A plan that writes one source into several sinks."""
    text = [source]
    for number, options in enumerate(sinks):
        said = ", ".join(f"'{k}' = '{v}'" for k, v in options.items())
        text.append(f"CREATE TABLE s{number} (id BIGINT) WITH ({said});")
        text.append(f"INSERT INTO s{number} SELECT id FROM numbers;")
    return Plan(tuple(sink.node for sink in ms.script("\n".join(text))))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    return {"connector": "filesystem", "path": str(tmp_path / "out"), "format": "json"}


def lines(plan: Plan, settings: Settings) -> list[tuple[str, ...]]:
    return list(guarantees(Job(plan).derived.plan, settings).values())


def test_the_weakest_link_is_named(tmp_path: Path, files: dict[str, str]) -> None:
    """Who relies on exactly once must read who breaks it: the source, the sink, no checkpoint."""
    kept = Settings(checkpoint_dir=str(tmp_path / "c"), checkpoint_interval_ms=2_000)
    (good,) = lines(plan_of(SOURCE, files), kept)
    assert good == (
        "delivery: exactly once: rows appear with their epoch",
        "latency: up to 2s (the checkpoint interval), then checkpoint and commit",
    )
    (unkept,) = lines(plan_of(SOURCE, files), Settings())
    assert unkept == (
        "delivery: at least once: a restart may repeat rows",
        "weakest link: no checkpoint folder (--checkpoint DIR)",
        "latency: each batch at once",
    )
    (printed,) = lines(plan_of(SOURCE, {"connector": "print"}), kept)
    assert printed[1].startswith("weakest link: sink 's0' (at least once: a restart prints")
    (heard,) = lines(plan_of(HEARD, files), kept)
    assert heard[0] == "delivery: at most once: a restart may lose rows"
    assert heard[1].startswith("weakest link: source 'numbers' (at most once")
    (neither,) = lines(plan_of(HEARD, {"connector": "print"}), kept)
    assert neither[0] == "delivery: none: a restart may lose rows, and may repeat some"


def test_a_sink_chooses_for_itself(tmp_path: Path, files: dict[str, str]) -> None:
    """An alert wants its rows at once, the ledger beside it wants them once."""
    quick = {**files, "path": str(tmp_path / "quick"), "sink.delivery-guarantee": "at-least-once"}
    plan = plan_of(SOURCE, files, quick)
    first, second = (sink.table for sink in plan.sinks)
    kept = Settings(checkpoint_dir=str(tmp_path / "c"))
    assert [exactly_once(t, kept) for t in (first, second)] == [True, False]
    assert [line[-1] for line in lines(plan, kept)][1] == "latency: each batch at once"
    both = Settings(checkpoint_dir=str(tmp_path / "c"), delivery=DeliveryChoice.AT_LEAST_ONCE)
    assert [exactly_once(t, both) for t in (first, second)] == [False, False]
    once = {**files, "sink.delivery-guarantee": "exactly-once"}
    (own,) = plan_of(SOURCE, once).sinks
    assert exactly_once(own.table, both)


@pytest.mark.parametrize("kept", [True, False])
def test_exactly_once_that_cannot_be_had_is_refused(
    tmp_path: Path, files: dict[str, str], kept: bool
) -> None:
    """Asked for by name, it must be given or refused, never quietly something less."""
    options = {"connector": "print"} if kept else files
    (sink,) = plan_of(SOURCE, {**options, "sink.delivery-guarantee": "exactly-once"}).sinks
    settings = Settings(checkpoint_dir=str(tmp_path / "c") if kept else None)
    with pytest.raises(PlanError, match="cannot be exactly once") as caught:
        exactly_once(sink.table, settings)
    assert caught.value.hint
