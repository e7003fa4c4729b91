"""Savepoints: a pipeline goes on elsewhere, as itself or as a new one, and is never doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from millstream.engine import savepoint
from millstream.engine.checkpoint_folder import CheckpointFolder
from millstream.engine.checkpoint_store import CheckpointStore
from millstream.engine.desk import ask
from millstream.engine.world import RealWorld
from millstream.errors import CheckpointError, JobError, PlanError
from millstream.settings import Settings
from millstream.stores.disk import DiskStore
from millstream.stores.memory import MemoryStore
from tests.unit.engine.test_checkpoint_store import epoch, large, same


@pytest.fixture
def old(tmp_path: Path) -> CheckpointStore:
    """A folder with three epochs, nobody's."""
    store = CheckpointStore(tmp_path / "old", retained=3)
    for number in (1, 2, 3):
        store.write(epoch(number, large().head(100 * number)))
    store.close()
    return store


Begin = Callable[..., CheckpointStore]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Starts a pipeline from another's folder; closed with the test."""
    started: list[CheckpointStore] = []

    def start(folder: Path, source: str, *, as_new: bool = False) -> CheckpointStore:
        given = Settings(checkpoint_dir=str(folder), restore_from=source, restore_as_new=as_new)
        savepoint.restore(given, RealWorld())
        started.append(CheckpointStore(folder, retained=3))
        return started[-1]

    yield start
    for store in started:
        store.close()


def test_a_start_from_another_folder_is_the_same_pipeline(
    old: CheckpointStore, tmp_path: Path, begin: Begin
) -> None:
    """Sinks know it by its id and epochs: both go on, and so does the incarnation."""
    new = begin(tmp_path / "new", str(tmp_path / "old"))
    assert new.pipeline == old.pipeline
    assert new.incarnation > old.incarnation
    found = new.newest()
    assert found is not None
    assert same(found, epoch(3, large().head(300)))
    new.write(epoch(4))
    assert new.epochs() == [3, 4]


def test_an_older_epoch_can_be_chosen(old: CheckpointStore, tmp_path: Path, begin: Begin) -> None:
    """What sinks have seen since is theirs to refuse."""
    new = begin(tmp_path / "new", f"{tmp_path / 'old'}@2")
    assert new.epochs() == [2]
    new.close()
    with pytest.raises(CheckpointError, match="no checkpoint 9") as told:
        begin(tmp_path / "other", f"{tmp_path / 'old'}@9")
    assert "1, 2, 3" in str(told.value)


def test_a_new_pipeline_is_known_to_no_sink(
    old: CheckpointStore, tmp_path: Path, begin: Begin
) -> None:
    """Its sinks are all new to it, whatever the old pipeline gave them."""
    new = begin(tmp_path / "new", str(tmp_path / "old"), as_new=True)
    assert new.pipeline != old.pipeline
    found = new.newest()
    assert found is not None
    assert found.facts["sinks"] == []


def test_a_restart_with_the_same_words_goes_on(
    old: CheckpointStore, tmp_path: Path, begin: Begin
) -> None:
    """A service manager repeats its command line: that must not throw epochs away."""
    begin(tmp_path / "new", str(tmp_path / "old")).close()
    new = begin(tmp_path / "new", str(tmp_path / "old"))
    new.write(epoch(4))
    new.close()
    assert begin(tmp_path / "new", str(tmp_path / "old")).epochs() == [3, 4]


def test_a_copy_that_was_cut_off_is_made_again(
    old: CheckpointStore, tmp_path: Path, begin: Begin
) -> None:
    """Killed in the middle: the folder has an identity and no epoch, and is not a fresh one."""
    begin(tmp_path / "new", str(tmp_path / "old")).close()
    store = DiskStore(tmp_path / "new")
    for name in (*store.names("manifests/"), *store.names("incarnations/")):
        store.delete(name)
    assert begin(tmp_path / "new", str(tmp_path / "old")).epochs() == [3]


def test_a_folder_in_use_is_not_overwritten(
    old: CheckpointStore, tmp_path: Path, begin: Begin
) -> None:
    """Two pipelines in one folder would be neither."""
    used = CheckpointStore(tmp_path / "used", retained=3)
    used.write(epoch(1))
    used.close()
    with pytest.raises(CheckpointError, match="in use already"):
        begin(tmp_path / "used", str(tmp_path / "old"))
    with pytest.raises(CheckpointError, match="something at the savepoint's place"):
        savepoint.save(old, 3, DiskStore(tmp_path / "used"), delivered=True)
    with pytest.raises(CheckpointError, match="cannot go back"):
        begin(tmp_path / "old", f"{tmp_path / 'old'}@1")
    with pytest.raises(PlanError, match="keeps checkpoints"):
        savepoint.restore(Settings(restore_from="x"), RealWorld())


def test_a_savepoint_holds_one_whole_epoch(old: CheckpointStore) -> None:
    """It must stand when everything of the old folder is gone."""
    target = MemoryStore()
    savepoint.save(old, 2, target, delivered=True)
    copy = CheckpointFolder(target)
    found = copy.newest()
    assert found is not None
    assert copy.epochs() == [2]
    assert found.outputs == {}
    assert same(found, epoch(2, large().head(200), outputs={}))


def test_nobody_there_is_said(old: CheckpointStore) -> None:
    """A request that nobody reads must not be obeyed by the next start."""
    with pytest.raises(JobError, match="No pipeline runs"):
        ask(old.store, {"ask": "stop"}, wait=lambda _: None)
    assert not old.store.names("requests/")
