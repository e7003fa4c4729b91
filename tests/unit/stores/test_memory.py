"""Blobs in memory: the contract, so that what tests use is like the real thing."""

from __future__ import annotations

import pytest

from millstream.ports.store import Store
from millstream.stores.memory import MemoryStore
from tests.unit.stores.contract import StoreContract


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


class TestMemory(StoreContract):
    def again(self, store: Store) -> Store:
        assert isinstance(store, MemoryStore)
        return MemoryStore(blobs=store.blobs)

    def test_one_owner_at_a_time(self, store: MemoryStore) -> None:
        """As on a disk."""
        free = store.own()
        assert free is not None
        assert self.again(store).own() is None
        free()
        again = self.again(store).own()
        assert again is not None
        again()
