"""Blobs in an object store: the contract on a real S3 server (moto), and what addresses mean."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from millstream.errors import Domain, OptionError, Retry
from millstream.ports.options import Secret
from millstream.ports.store import Store, StoreError
from millstream.settings import Settings
from millstream.stores.object import ObjectStore
from millstream.stores.open import open_store
from tests.servers import s3
from tests.unit.stores.contract import StoreContract


@pytest.fixture(scope="module")
def server() -> Iterator[s3.S3Server]:
    with s3.running() as found:
        yield found


@pytest.fixture
def store(server: s3.S3Server) -> Store:
    return open_store(server.bucket() + "/some/where", server.settings())


class TestObject(StoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, server: s3.S3Server) -> None:
        self.server = server

    def again(self, store: Store) -> Store:
        return open_store(store.place, self.server.settings())

    def test_prefixes_of_one_bucket_are_apart(self, store: Store, server: s3.S3Server) -> None:
        """Two pipelines in one bucket must not see each other."""
        other = open_store(store.place + "-else", server.settings())
        store.put("a", b"x")
        assert other.names() == []

    def test_a_bucket_that_is_not_there(self, server: s3.S3Server) -> None:
        """The most common mistake is told as such, not as a missing blob."""
        nowhere = open_store("s3://no-such-bucket/x", server.settings())
        with pytest.raises(StoreError, match="bucket does not exist") as told:
            nowhere.put("a", b"x")
        assert told.value.domain is Domain.CONFIG


def test_nobody_there() -> None:
    """An unreachable store may be back later, and no key is told."""
    settings = Settings(
        s3_endpoint="http://127.0.0.1:1", s3_access_key=Secret("AKIACANARY"),
        s3_secret_key=Secret("canary"),
    )  # fmt: skip
    store = ObjectStore("s3://bucket/x", settings, retry_s=0.2)
    for ask in (
        lambda: store.put("a", b""), lambda: store.get("a"), lambda: store.put_new("a", b"x"),
    ):  # fmt: skip
        with pytest.raises(StoreError) as told:
            ask()
        assert told.value.retry is Retry.LATER
        assert told.value.domain is Domain.NETWORK
        assert "canary" not in (str(told.value) + repr(settings)).lower()


@pytest.mark.parametrize("address", ["s3://key:secret@bucket/x", "ftp://host/x"])
def test_addresses_that_are_refused(address: str) -> None:
    """Keys in an address would be printed; an unknown scheme is no folder of this name."""
    with pytest.raises(OptionError) as told:
        open_store(address)
    assert "secret" not in str(told.value).replace("s3.secret-key", "")
