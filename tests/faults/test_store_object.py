"""F23: an object store that is slow, throttles, loses replies, or gets half an upload.

moto on loopback, behind a proxy that makes the faults.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from millstream.engine.checkpoint_store import CheckpointStore
from millstream.errors import Domain, Retry
from millstream.ports.store import NotThere, StoreError
from millstream.stores.object import ObjectStore
from tests.servers import s3
from tests.unit.engine.test_checkpoint_store import epoch, large, same

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def running() -> Iterator[s3.S3Server]:
    with s3.running() as found:
        yield found


@pytest.fixture
def server(running: s3.S3Server) -> Iterator[s3.S3Server]:
    yield running
    running.fault = None
    running.requests.clear()


@pytest.fixture
def place(server: s3.S3Server) -> str:
    return server.bucket() + "/checkpoints"


def store_at(place: str, server: s3.S3Server, retry_s: float = 20.0) -> ObjectStore:
    return ObjectStore(place, server.settings(faults=True), retry_s=retry_s)


def epochs_at(place: str, server: s3.S3Server, retry_s: float = 20.0) -> CheckpointStore:
    return CheckpointStore(store_at(place, server, retry_s), retained=3)


@pytest.mark.parametrize("status", [503, 429, 500])
def test_f23_bursts_of_refusals_are_waited_out(
    status: int, place: str, server: s3.S3Server
) -> None:
    """Two of three requests are throttled: every epoch comes through."""
    store = epochs_at(place, server)
    server.fault = lambda request: status if request.number % 3 else None
    store.write(epoch(1, large()))
    store.write(epoch(2, large()))
    found = store.newest()
    assert found is not None
    assert same(found, epoch(2, large()))


def test_f23_a_store_that_stays_down_may_be_tried_later(place: str, server: s3.S3Server) -> None:
    """The epoch fails after a bounded time, nothing of it is seen, and later it works."""
    store = epochs_at(place, server, retry_s=0.5)
    store.write(epoch(1))
    server.fault = lambda _: 503
    with pytest.raises(StoreError) as told:
        store.write(epoch(2))
    assert (told.value.domain, told.value.retry) == (Domain.LIMIT, Retry.LATER)
    assert "testing" not in str(told.value), "keys are never told"
    server.fault = None
    assert store.epochs() == [1]
    store.write(epoch(2))
    assert store.epochs() == [1, 2]


def test_f23_a_slow_store(place: str, server: s3.S3Server) -> None:
    """Slow is not down."""
    server.fault = lambda _: 0.2
    store = epochs_at(place, server)
    store.write(epoch(1))
    assert store.epochs() == [1]


def test_f23_the_reply_of_a_conditional_put_is_lost(place: str, server: s3.S3Server) -> None:
    """The next try finds the name taken, by us: that is no other owner."""
    store = epochs_at(place, server)
    lost: list[str] = []

    def lose(request: s3.Request) -> str | None:
        new = request.method == "PUT" and "/manifests/" in request.path
        if new and request.path not in lost:
            lost.append(request.path)
            return "lost"
        return None

    server.fault = lose
    for number in (1, 2):
        store.write(epoch(number, large()))
    assert len(lost) == 2
    assert store.epochs() == [1, 2]


def test_f23_a_second_owner_is_fenced_by_412(place: str, server: s3.S3Server) -> None:
    """There is no lock in a bucket: the conditional PUT decides, and the loser stops."""
    old, new = epochs_at(place, server), epochs_at(place, server)
    new.write(epoch(1))
    with pytest.raises(StoreError) as told:
        old.write(epoch(1, large()))
    assert told.value.domain is Domain.FENCED
    assert told.value.retry is Retry.NEVER
    first, second = store_at(place, server), store_at(place, server)
    assert first.put_new("manifests/000000007.json", b"first")
    assert not second.put_new("manifests/000000007.json", b"second")


def test_f23_half_an_upload_is_never_seen(place: str, server: s3.S3Server) -> None:
    """The line breaks in the middle of the body: no blob, or the one there was before."""
    store = store_at(place, server, retry_s=0.3)
    store.put("packs/1", b"before")
    server.fault = lambda request: "cut" if request.method in ("PUT", "POST") else None
    for name in ("packs/1", "packs/2"):
        with pytest.raises(StoreError) as told:
            store.put(name, b"after" * 1000)
        assert told.value.retry is Retry.LATER
    server.fault = None
    assert store.get("packs/1") == b"before"
    with pytest.raises(NotThere):
        store.get("packs/2")
