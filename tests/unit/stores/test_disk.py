"""Blobs on a disk: the contract, and what only a disk has: locks and temporary files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from millstream.errors import Domain, Retry
from millstream.ports.store import Store, StoreError
from millstream.stores.disk import DiskStore
from tests.unit.stores.contract import StoreContract


@pytest.fixture
def store(tmp_path: Path) -> DiskStore:
    return DiskStore(tmp_path / "place" / "of checkpoints")


class TestDisk(StoreContract):
    def again(self, store: Store) -> Store:
        assert isinstance(store, DiskStore)
        return DiskStore(store.folder)

    def test_one_owner_at_a_time(self, store: DiskStore) -> None:
        """Two processes on one folder would overwrite each other's epochs."""
        free = store.own()
        assert free is not None
        assert self.again(store).own() is None
        free()
        after = self.again(store).own()
        assert after is not None
        after()
        assert store.names() == [], "the lock is no blob"

    def test_a_dead_owner_holds_nothing(self, store: DiskStore) -> None:
        """After kill -9 the pipeline starts again without anybody's help."""
        program = (
            "import os, sys; from millstream.stores.disk import DiskStore;"
            f"DiskStore({str(store.folder)!r}).own(); os.kill(os.getpid(), 9)"
        )
        subprocess.run([sys.executable, "-c", program], check=False)
        free = store.own()
        assert free is not None
        free()

    def test_rests_of_the_dead_are_removed_and_never_seen(self, store: DiskStore) -> None:
        """A crash in the middle of a write leaves a file that nobody may take for a blob."""
        store.put("packs/1", b"x")
        gone = subprocess.run(
            [sys.executable, "-c", "import os; print(os.getpid())"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        dead = store.folder / "packs" / f".new-{gone}-1-2"
        alive = store.folder / "packs" / f".new-{os.getppid()}-1-2"
        for rest in (dead, alive):
            rest.write_bytes(b"half")
        assert store.names() == ["packs/1"]
        free = store.own()
        assert free is not None
        free()
        assert not dead.exists()
        assert alive.exists(), "its writer may still rename it"

    def test_a_folder_that_is_a_file(self, tmp_path: Path) -> None:
        """A user's mistake is told with the place and what to do."""
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError) as told:
            DiskStore(tmp_path / "file").put("a", b"x")
        assert str(tmp_path / "file") in str(told.value)
        assert told.value.hint

    def test_a_full_disk_may_be_tried_again(self, store: DiskStore, monkeypatch) -> None:
        """Someone frees space: the restart that LATER allows goes on."""

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        store.put("a", b"old")
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StoreError) as told:
            store.put("a", b"new")
        assert (told.value.retry, told.value.domain) == (Retry.LATER, Domain.LIMIT)
        monkeypatch.undo()
        assert store.get("a") == b"old"
        assert [p.name for p in store.folder.iterdir()] == ["a"], "nothing is left lying about"
