"""The fast path into Kafka: its commit is the decision, whatever happens around it (F9, F11)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import millstream as ms
from millstream.connect.kafka_write import KafkaSink
from millstream.engine.checkpoint_store import CheckpointStore
from millstream.errors import ConnectorError, Domain, Retry
from millstream.job import Job
from millstream.plan.nodes import Plan
from millstream.ports.registry import sink_for
from millstream.settings import RestartStrategy, Settings
from tests.connect.test_kafka_sink import options, values
from tests.connect.test_kafka_source import new_topic
from tests.faults.children import SinkChild
from tests.faults.sink_child import rows_said, table_said

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaServer

pytestmark = pytest.mark.kafka
ROWS = 3_000
TEXT = """
CREATE TABLE numbers (id BIGINT) WITH (
  'connector' = 'datagen', 'rows-per-second' = '4000', 'number-of-rows' = '{rows}',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '{last}');
CREATE TABLE out (id BIGINT) WITH ({options});
INSERT INTO out SELECT id FROM numbers;
"""


def settings(tmp_path: Path, **more: Any) -> Settings:
    return Settings(
        checkpoint_dir=str(tmp_path / "checkpoints"),
        checkpoint_interval_ms=50,
        checkpoints_retained=100,
        restart_strategy=RestartStrategy.NONE,
        **more,
    )


def job(kafka: KafkaServer, topic: str, how: Settings) -> Job:
    said = {"connector": "kafka", **options(kafka, topic)}
    text = ", ".join(f"'{k}' = '{v}'" for k, v in said.items())
    text = TEXT.format(options=text, rows=ROWS, last=ROWS - 1)
    return Job(Plan(tuple(sink.node for sink in ms.script(text))), how)


def ids(kafka: KafkaServer, topic: str) -> list[int]:
    return sorted(v["id"] for v in values(kafka, topic))


def manifests(tmp_path: Path) -> list[dict[str, Any]]:
    folder = tmp_path / "checkpoints" / "manifests"
    return [json.loads(p.read_bytes()) for p in sorted(folder.glob("*.json"))]


@pytest.mark.parametrize("fast", [True, False])
def test_rows_are_written_once(kafka: KafkaServer, tmp_path: Path, fast: bool) -> None:
    """With the fast path no output is in the checkpoint, and nothing else changes."""
    topic = new_topic(kafka)
    how = settings(tmp_path, fast_path=fast)
    made = job(kafka, topic, how)
    assert ("rows are written once" in made.explain()) == fast
    made.run()
    assert ids(kafka, topic) == list(range(ROWS))
    store = CheckpointStore(str(tmp_path / "checkpoints"), retained=100, settings=how)
    epochs = [store.read(number) for number in store.epochs()]
    store.close()
    assert len(epochs) > 3
    assert {e.prepared_by for e in epochs} == ({"out"} if fast else {None})
    assert any("out" in e.outputs for e in epochs) != fast


def before(real: Callable[..., None], sink: KafkaSink, epoch: int) -> None:
    sink._forget_transactional()
    raise ConnectorError("killed before", domain=Domain.NETWORK, retry=Retry.LATER)


def after(real: Callable[..., None], sink: KafkaSink, epoch: int) -> None:
    real(sink, epoch)
    raise ConnectorError("killed behind", domain=Domain.NETWORK, retry=Retry.LATER)


@pytest.mark.parametrize("at", [1, 3])
@pytest.mark.parametrize("way", [before, after])
def test_f11_the_manifest_of_an_epoch_that_was_not_committed_is_dropped(
    kafka: KafkaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int,
    way: Callable[..., None],
) -> None:  # fmt: skip
    """A manifest stands there: whether it happened is known to the broker alone."""
    topic = new_topic(kafka)
    real = KafkaSink.commit
    epochs: list[int] = []

    def commit(self: KafkaSink, epoch: int) -> None:
        epochs.append(epoch)
        if epoch == at and epochs.count(at) == 1:
            way(real, self, epoch)
        real(self, epoch)

    monkeypatch.setattr(KafkaSink, "commit", commit)
    with pytest.raises(ConnectorError, match="killed"):
        job(kafka, topic, settings(tmp_path)).run()
    seen = ids(kafka, topic)
    job(kafka, topic, settings(tmp_path)).run()
    assert ids(kafka, topic) == list(range(ROWS))
    assert set(seen) <= set(range(ROWS))
    assert epochs.count(at) == (2 if way is before else 1)


def test_f11_the_fast_path_is_left_and_taken_again(
    kafka: KafkaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways keep one progress record, so a restart may change between them."""
    topic = new_topic(kafka)
    real = KafkaSink.commit

    def commit(self: KafkaSink, epoch: int) -> None:
        if epoch == 2:
            before(real, self, epoch)
        real(self, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(KafkaSink, "commit", commit)
        with pytest.raises(ConnectorError, match="killed"):
            job(kafka, topic, settings(tmp_path)).run()
    deliver = KafkaSink.deliver
    calls: list[int] = []

    def lost(self: KafkaSink, epoch: int, frames: Any) -> Any:
        calls.append(epoch)
        if len(calls) == 2:
            raise ConnectorError("killed", domain=Domain.NETWORK, retry=Retry.LATER)
        return deliver(self, epoch, frames)

    with monkeypatch.context() as patch:
        patch.setattr(KafkaSink, "deliver", lost)
        with pytest.raises(ConnectorError, match="killed"):
            job(kafka, topic, settings(tmp_path, fast_path=False)).run()
    job(kafka, topic, settings(tmp_path)).run()
    assert ids(kafka, topic) == list(range(ROWS))


def test_f09_a_process_that_slept_longer_than_its_transaction(kafka: KafkaServer) -> None:
    """The broker ended the transaction: no row of it appears, and a restart may go on."""
    topic = new_topic(kafka)
    said = {**options(kafka, topic), "properties.transaction.timeout.ms": "1000"}
    with SinkChild("kafka", said) as child:
        assert child.ask("open", incarnation=1) is None
        child.ask("stage", ids=[1, 2])
        assert child.ask("prepare", epoch=1) == [2, 0]
        child.sleep()
        child.tell("commit", epoch=1)
        # A committed reader is held up until the broker has ended the transaction.
        assert values(kafka, topic) == []
        _until_nothing_is_open(kafka, topic)
        child.wake()
        answer = child.answer()
        assert answer["error"] == "network", answer
        child.ask("close")
    sink = sink_for(table_said("kafka", said), updating=False)
    assert isinstance(sink, KafkaSink)
    assert sink.open("p", 2) is None
    sink.stage(rows_said("successor", 1, 2))
    sink.prepare(1)
    sink.commit(1)
    sink.close()
    assert [(v["id"], v["who"]) for v in values(kafka, topic)] == [
        (1, "successor"), (2, "successor"),
    ]  # fmt: skip


def test_f09_a_sleeper_whose_successor_has_come_is_fenced(kafka: KafkaServer) -> None:
    """The same with a successor: the sleeper is told to stop for good."""
    topic = new_topic(kafka)
    said = options(kafka, topic)
    with SinkChild("kafka", said) as child:
        child.ask("open", incarnation=1)
        child.ask("stage", ids=[1])
        child.ask("prepare", epoch=1)
        child.sleep()
        child.tell("commit", epoch=1)
        sink = sink_for(table_said("kafka", said), updating=False)
        assert isinstance(sink, KafkaSink)
        assert sink.open("p", 2) is None
        sink.stage(rows_said("successor", 1))
        sink.prepare(1)
        child.wake()
        assert child.answer()["error"] == "fenced"
        sink.commit(1)
        sink.close()
    assert [v["who"] for v in values(kafka, topic)] == ["successor"]


def _until_nothing_is_open(kafka: KafkaServer, topic: str) -> None:
    """Wait until the end for committed readers is the end for all."""
    from confluent_kafka import IsolationLevel, TopicPartition
    from confluent_kafka.admin import AdminClient, OffsetSpec

    from tests.servers.ports import wait_until

    admin = AdminClient({"bootstrap.servers": kafka.plain})
    place = TopicPartition(topic, 0)

    def end(level: IsolationLevel) -> int:
        asked = admin.list_offsets({place: OffsetSpec.latest()}, isolation_level=level)
        return int(asked[place].result().offset)

    def settled() -> bool:
        return end(IsolationLevel.READ_COMMITTED) == end(IsolationLevel.READ_UNCOMMITTED)

    assert wait_until(settled, limit_s=40), "a transaction stays open"
