"""F5, F6 on the side of the store: a disk that fails to sync, and one that is full.

A small program writes epochs; strace lets its fsyncs fail one after the other, SQLite's way: the
k-th, for k = 1, 2, 3 … until a run is not touched any more.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from millstream.engine.checkpoint_store import CheckpointStore
from millstream.errors import Domain, Retry
from millstream.ports.store import StoreError
from tests.faults.tracing import need_strace
from tests.unit.engine.test_checkpoint_store import epoch, large, same

pytestmark = pytest.mark.faults
WRITER = """
import json, os, sys
import polars as pl
from millstream.engine.checkpoint import Epoch, State
from millstream.engine.checkpoint_store import CheckpointStore
from millstream.engine.operator import Snapshot
from millstream.ports.store import StoreError

store = CheckpointStore(sys.argv[1], retained=3)
said = []
os.write(1, b"ready\\n")
for number in (1, 2, 3):
    table = pl.DataFrame({"n": range(number * 1000)})
    state = State({"step": Snapshot({"t": table}, {})}, {}, {})
    for attempt in range(3):
        try:
            store.write(Epoch(number, state, {}, {}, {"ended": False}))
        except StoreError as error:
            newest = store.newest()
            said.append([number, attempt, error.domain.value, error.retry.value,
                         None if newest is None else newest.number])
        else:
            break
print(json.dumps([said, store.newest().number]))
"""


def _written(folder: Path, k: int) -> tuple[list[list[object]], int]:
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e",
         f"inject=fsync,fdatasync:error=EIO:when={k}", sys.executable, "-c", WRITER, str(folder)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p or str(Path.cwd()) for p in sys.path)},
    )  # fmt: skip
    if done.returncode:
        assert "StoreError: " in done.stderr, done.stderr
        return [], 0
    said, newest = json.loads(done.stdout.splitlines()[-1])
    return said, newest


def test_f05_every_fsync_that_fails(tmp_path: Path) -> None:
    """The epoch fails, the ones before stay readable, and the next try writes other files."""
    need_strace()
    touched, k = 0, 0
    while True:
        k += 1
        folder = tmp_path / str(k)
        said, newest = _written(folder, k)
        if newest == 0:
            continue  # the start failed, and said so: there was no epoch yet
        assert newest == 3
        if not said:
            break
        touched += 1
        assert len(said) == 1, "the next try came through"
        number, attempt, domain, retry, left = said[0]
        assert (attempt, domain, retry) == (0, "system", "later")
        assert left in (number - 1 or None, number), "a manifest whose folder did not sync may be"
        store = CheckpointStore(folder, retained=3)
        assert not [e for n in store.epochs() for e in store.verify(n)]
        assert not list(folder.rglob(".new-*")), "what failed is not left lying about"
        store.close()
    assert touched >= 9, "an epoch has at least pack, manifest and their folders to sync"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_f06_a_full_disk_and_then_room_again(small_disk: Path) -> None:
    """No room: the epoch fails and may be tried later; old ones are whole; then it goes on."""
    store = CheckpointStore(small_disk / "checkpoints", retained=3)
    store.write(epoch(1, large().head(5_000)))
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        file.truncate(1)
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small_disk).free)
    for _ in range(3):
        with pytest.raises(StoreError) as told:
            store.write(epoch(2, large()))
        assert (told.value.domain, told.value.retry) == (Domain.LIMIT, Retry.LATER)
        found = store.newest()
        assert found is not None
        assert same(found, epoch(1, large().head(5_000)))
    ballast.unlink()
    store.write(epoch(2, large()))
    store.close()
    again = CheckpointStore(small_disk / "checkpoints", retained=3)
    found = again.newest()
    assert found is not None
    assert same(found, epoch(2, large()))
    again.close()
