"""The broker restarts within a transaction, or its reply to a commit is lost (F10, F11)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from millstream.connect.kafka_write import KafkaSink
from millstream.errors import ConnectorError, Retry
from millstream.ports.registry import sink_for
from tests.connect.test_kafka_sink import options, values
from tests.connect.test_kafka_source import new_topic
from tests.faults.brokers import Broker
from tests.faults.proxy import KAFKA_END_TXN, kafka_request
from tests.faults.sink_child import rows_said, table_said
from tests.servers import shared

pytestmark = [pytest.mark.faults, pytest.mark.kafka]


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """A broker of this module's own."""
    try:
        made = Broker("kafka-that-falls")
    except shared.NoServer as reason:
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))
    yield made
    made.close()


def sink_of(broker: Broker, topic: str, *, direct: bool = True) -> KafkaSink:
    said: dict[str, Any] = options(broker.server, topic)
    if not direct:
        said["properties.bootstrap.servers"] = broker.behind
    made = sink_for(table_said("kafka", said), updating=False)
    assert isinstance(made, KafkaSink)
    return made


def seen(broker: Broker, topic: str) -> list[tuple[int, str]]:
    """What a committed reader gets on its way to the very end."""
    return [(v["id"], v["who"]) for v in values(broker.server, topic)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_f10_the_broker_restarts_within_a_transaction(
    broker: Broker, number: signal.Signals
) -> None:
    """Rows are staged, the broker goes and comes: committed once, or not, and the sink knows."""
    topic = new_topic(broker.server)
    first = sink_of(broker, topic)
    assert first.open("p", 1) is None
    first.stage(rows_said("first", 1, 2))
    first.prepare(1)
    broker.end(number)
    broker.start_again()
    committed = True
    try:
        first.commit(1)
    except ConnectorError as error:
        if error.retry is not Retry.LATER:
            raise
        committed = False
    first.close()
    second = sink_of(broker, topic)
    last = second.open("p", 2)
    assert last == 1 if committed else last in (None, 1)
    if last is None:
        second.deliver(1, [rows_said("first", 1, 2)])
    second.deliver(2, [rows_said("second", 3)])
    second.close()
    assert seen(broker, topic) == [(1, "first"), (2, "first"), (3, "second")]


def test_f10_an_epoch_waits_for_the_broker(broker: Broker) -> None:
    """Delivered while the broker is away: the same process goes on when it is back."""
    topic = new_topic(broker.server)
    sink = sink_of(broker, topic)
    sink.open("p", 1)
    sink.deliver(1, [rows_said("a", 1)])
    broker.end(signal.SIGKILL)
    back = threading.Thread(target=broker.start_again)
    back.start()
    try:
        sink.deliver(2, [rows_said("a", 2)])
    except ConnectorError as error:
        if error.retry is not Retry.LATER:
            raise
        back.join()
        sink.close()
        sink = sink_of(broker, topic)
        if sink.open("p", 2) != 2:
            sink.deliver(2, [rows_said("a", 2)])
    back.join()
    sink.deliver(3, [rows_said("a", 3)])
    sink.close()
    assert seen(broker, topic) == [(1, "a"), (2, "a"), (3, "a")]


@pytest.mark.parametrize("fast", [True, False])
def test_f11_the_reply_to_a_commit_is_lost(broker: Broker, fast: bool) -> None:
    """The broker has committed, the connection breaks before it can say so."""
    topic = new_topic(broker.server)
    sink = sink_of(broker, topic, direct=False)
    sink.open("p", 1)
    sink.deliver(1, [rows_said("a", 1)])
    broker.proxy.lose_reply(kafka_request(KAFKA_END_TXN))
    try:
        if fast:
            sink.stage(rows_said("a", 2))
            sink.prepare(2)
            sink.commit(2)
        else:
            sink.deliver(2, [rows_said("a", 2)])
    except ConnectorError as error:
        if error.retry is not Retry.LATER:
            raise
        sink.close()
        sink = sink_of(broker, topic, direct=False)
        assert sink.open("p", 2) == 2
    assert broker.proxy.replies_lost.acquire(timeout=60), "no reply was lost"
    sink.deliver(3, [rows_said("a", 3)])
    sink.close()
    assert seen(broker, topic) == [(1, "a"), (2, "a"), (3, "a")]
