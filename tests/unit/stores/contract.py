"""What every store must do; one file per store runs it on the real thing."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

import pytest

from millstream.ports.store import NotThere, Store


class StoreContract(ABC):
    """Tests for any store; ``again`` is a second process's view of the same place."""

    @abstractmethod
    def again(self, store: Store) -> Store:
        """Open the place of a store a second time."""

    def test_a_blob_comes_back_whole_and_in_parts(self, store: Store) -> None:
        """What was put is read, by everybody, from any place in it."""
        store.put("packs/1", b"0123456789")
        other = self.again(store)
        assert other.get("packs/1") == b"0123456789"
        assert other.get("packs/1", start=3, length=4) == b"3456"
        assert other.get("packs/1", start=8) == b"89"
        assert other.get("packs/1", start=2, length=0) == b""
        assert other.size("packs/1") == 10

    def test_every_kind_of_bytes_is_taken(self, store: Store) -> None:
        """Packs are bytearrays, chunks are views: nobody wants to copy them first."""
        for data in (b"abc", bytearray(b"abc"), memoryview(b"xabc")[1:], b""):
            store.put("one", data)
            assert store.get("one") == bytes(data)

    def test_put_replaces(self, store: Store) -> None:
        """A second put is seen in place of the first, never both."""
        store.put("a", b"first, and long")
        store.put("a", b"second")
        assert store.get("a") == b"second"

    def test_put_new_gives_a_name_once(self, store: Store) -> None:
        """Of two writers one wins, and the blob is the winner's."""
        assert store.put_new("manifests/7.json", b"mine")
        assert not self.again(store).put_new("manifests/7.json", b"yours")
        assert store.get("manifests/7.json") == b"mine"

    def test_of_many_at_once_one_wins(self, store: Store) -> None:
        """Owners that start in the same moment must not both think they are first."""
        won: list[int] = []
        barrier = threading.Barrier(4)
        stores = [self.again(store) for _ in range(4)]

        def write(number: int) -> None:
            barrier.wait()
            if stores[number].put_new("incarnations/1", f"start {number}".encode()):
                won.append(number)

        threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [f"start {n}".encode() for n in won] == [store.get("incarnations/1")]

    def test_names_are_sorted_and_cut_by_prefix(self, store: Store) -> None:
        """The newest manifest is the last name; a prefix is a text, not a folder."""
        for name in ("b/2", "b/10", "b/c/3", "bc/1", "a"):
            store.put(name, b"x")
        assert store.names() == ["a", "b/10", "b/2", "b/c/3", "bc/1"]
        assert store.names("b/") == ["b/10", "b/2", "b/c/3"]
        assert store.names("b/1") == ["b/10"]
        assert store.names("b") == ["b/10", "b/2", "b/c/3", "bc/1"]
        assert store.names("no/such/place") == []

    def test_what_is_not_there_is_said_so(self, store: Store) -> None:
        """Callers tell 'missing' from 'unreachable' by the class of the error."""
        for ask in (store.get, store.size):
            with pytest.raises(NotThere):
                ask("packs/none")
        with pytest.raises(NotThere):
            store.get("packs/none", start=1, length=1)

    def test_deleting_twice_is_no_error(self, store: Store) -> None:
        """A removal that was interrupted is simply done again."""
        store.put("a", b"x")
        store.delete("a")
        store.delete("a")
        assert store.names() == []
        assert store.put_new("a", b"y"), "the name is free again"

    def test_names_cannot_leave_the_store(self, store: Store) -> None:
        """A name made of foreign text must never reach another folder."""
        for name in ("../a", "/etc/passwd", "a//b", ".hidden", "a/./b", ""):
            with pytest.raises(AssertionError):
                store.put(name, b"x")

    def test_a_large_blob(self, store: Store) -> None:
        """Larger than one part of a multipart upload."""
        data = bytes(range(256)) * (48 << 10)
        store.put("large", data)
        assert store.size("large") == len(data)
        assert store.get("large", start=11 << 20, length=256) == bytes(range(256))
