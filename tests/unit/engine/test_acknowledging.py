"""Sources that must be told what they may forget: exactly once over crashes and lost acks."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from millstream.connect.memory import Collected
from millstream.errors import MillstreamError
from millstream.job import Job
from millstream.plan.nodes import Node, Plan, RejectedRows, Scan, Write
from millstream.plan.table import Physical, Table
from millstream.ports import registry
from millstream.settings import RestartStrategy, Settings
from millstream.types import Schema
from tests.unit.engine.flaky import Flaky
from tests.unit.engine.queue_of_messages import Queue

NUMBERS = Schema.of({"x": "BIGINT"})


@pytest.fixture(autouse=True, scope="module")
def _connectors() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.CONNECTORS, "queue", "tests.unit.engine.queue_of_messages")
        patch.setitem(registry.CONNECTORS, "flaky", "tests.unit.engine.flaky")
        registry.connector.cache_clear()
        yield


def plan(queue: Queue, out: Flaky, bad: Collected | None = None) -> Plan:
    columns = tuple(Physical(f.name, f.type) for f in NUMBERS)
    scan = Scan(table=Table("numbers", columns, "queue", {"queue": queue}))
    sinks = [_into(scan, "out", "flaky", flaky=out)]
    if bad is not None:
        sinks.append(_into(RejectedRows(input=scan), "bad", "memory", target=bad))
    return Plan(tuple(sinks))


def _into(node: Node, name: str, connector: str, **options: Any) -> Write:
    columns = tuple(Physical(f.name, f.type) for f in node.schema)
    return Write(input=node, table=Table(name, columns, connector, options))


def chosen(folder: Path, *, restarts: bool = True, **more: Any) -> Settings:
    strategy = None if restarts else RestartStrategy.NONE
    return Settings(
        checkpoint_dir=str(folder),
        epoch_bytes_max=1,
        restart_backoff_initial_ms=1,
        restart_strategy=strategy,
        **more,
    )


def test_a_message_is_acknowledged_after_its_epoch(tmp_path: Path) -> None:
    """Everything is in the sink's system before the queue forgets it; then it does forget it."""
    queue, out = Queue(list(range(50)), random.Random(1)), Flaky()
    summary = Job(plan(queue, out), chosen(tmp_path)).run()
    assert sorted(out.taken.frame()["x"]) == list(range(50))
    assert queue.acknowledged == set(range(50))
    assert summary.progress.rows_repeated == 0


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    messages=st.integers(40, 70),
    lost=st.sampled_from([0.0, 0.3, 1.0]),
    crashes=st.lists(st.integers(25, 120), min_size=1, max_size=2),
    in_process=st.booleans(),
)
def test_every_message_counts_once(
    seed: int, messages: int, lost: float, crashes: list[int], in_process: bool
) -> None:
    """Whatever comes again, in whatever order: its id is known, also after a restart."""
    queue = Queue(list(range(messages)), random.Random(seed), lost_acks=lost)
    out = Flaky()
    with tempfile.TemporaryDirectory() as folder:
        for crash in sorted(crashes):
            queue.fail_after = crash
            try:
                Job(plan(queue, out), chosen(Path(folder), restarts=in_process)).run()
            except (OSError, MillstreamError):
                assert not in_process
        queue.fail_after = None
        summary = Job(plan(queue, out), chosen(Path(folder))).run()
    event(f"sent again: {summary.progress.rows_repeated > 0}")
    taken = out.taken.frame()
    assert sorted(taken["x"]) == list(range(messages))
    assert queue.acknowledged == set(range(messages))


def test_an_undecodable_message_is_rejected_once(tmp_path: Path) -> None:
    """A bad message sent again would else stand twice among the rejected ones."""
    queue = Queue(
        list(range(40)), random.Random(3), lost_acks=1.0, with_bad=frozenset({5, 6}), fail_after=40
    )
    out, bad = Flaky(), Collected()
    summary = Job(plan(queue, out, bad), chosen(tmp_path)).run()
    assert sorted(out.taken.frame()["x"]) == [x for x in range(40) if x not in (5, 6)]
    assert summary.progress.restarts == 1
    assert bad.frame().height == 2


def test_without_a_window_a_message_sent_again_counts_again(tmp_path: Path) -> None:
    """The setting takes effect: this is what it protects from."""
    queue = Queue(list(range(60)), random.Random(3), lost_acks=1.0, fail_after=60)
    out = Flaky()
    Job(plan(queue, out), chosen(tmp_path, deduplication_window_ms=0)).run()
    assert out.taken.frame().height > 60
