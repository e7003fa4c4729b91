"""F7: whatever is altered in a checkpoint folder is found, and never becomes a wrong result."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from millstream.engine.checkpoint_folder import CheckpointFolder
from millstream.engine.checkpoint_store import CheckpointStore
from millstream.errors import MillstreamError
from millstream.stores.disk import DiskStore
from millstream.stores.memory import MemoryStore
from tests.unit.engine.test_checkpoint_store import epoch, large, same

pytestmark = pytest.mark.faults
KINDS = ("identity.json", "incarnations/", "manifests/", "packs/")
SOUND = [epoch(n, large(changed=range(n)), journal=[n]) for n in (1, 2, 3)]


@pytest.fixture(scope="module")
def sound() -> dict[str, bytes]:
    """The blobs of a folder with three epochs, of two starts."""
    blobs = MemoryStore()
    store = CheckpointStore(MemoryStore(blobs=blobs.blobs), retained=3)
    store.write(SOUND[0])
    store.write(SOUND[1])
    store.close()
    store = CheckpointStore(MemoryStore(blobs=blobs.blobs), retained=3)
    store.write(SOUND[2])
    store.close()
    return dict(blobs.blobs)


def goes_on_wrongly(blobs: dict[str, bytes]) -> str | None:
    """Tell what a start made of it, where that is neither a refusal nor the truth."""
    try:
        store = CheckpointStore(MemoryStore(blobs=blobs), retained=3)
        found = store.newest()
    except MillstreamError as error:
        return None if error.where and error.hint else f"{error} names no place or remedy"
    if found is None:
        return "the epochs began again"
    return None if same(found, SOUND[found.number - 1]) else f"epoch {found.number} is another"


@pytest.mark.parametrize("kind", KINDS)
def test_f07_flipped_bits(kind: str, sound: dict[str, bytes]) -> None:
    """One bit of every kind of blob, header, middle and end: refused, or of no meaning."""
    chance = random.Random(kind)
    for name in [n for n in sound if n.startswith(kind)]:
        size = len(sound[name])
        places = {0, 3, 9, 12, 45, size // 2, size - 1, *(chance.randrange(size) for _ in range(9))}
        for place in sorted(p for p in places if p < size):
            data = bytearray(sound[name])
            data[place] ^= 1 << chance.randrange(8)
            wrong = goes_on_wrongly({**sound, name: bytes(data)})
            assert wrong is None, f"{name}, byte {place}: {wrong}"


@pytest.mark.parametrize("kind", KINDS)
def test_f07_cut_off_or_missing(kind: str, sound: dict[str, bytes]) -> None:
    """Truncated, empty, removed: the newest epoch is refused or whole."""
    for name in [n for n in sound if n.startswith(kind)]:
        for data in (sound[name][:-1], sound[name][: len(sound[name]) // 2], b"", None):
            blobs = {n: d for n, d in sound.items() if n != name}
            if data is not None:
                blobs[name] = data
            if data is None and name == "manifests/000000003.json":
                continue  # an epoch that never was looks the same: sinks tell them apart
            wrong = goes_on_wrongly(blobs)
            assert wrong is None, f"{name}: {wrong}"


@pytest.mark.parametrize("kind", KINDS[1:])
def test_f07_swapped(kind: str, sound: dict[str, bytes]) -> None:
    """Each blob may be whole and stand in another's place."""
    names = [n for n in sound if n.startswith(kind)]
    for one in names:
        for other in names:
            if one < other:
                blobs = {**sound, one: sound[other], other: sound[one]}
                wrong = goes_on_wrongly(blobs)
                assert wrong is None, f"{one} and {other}: {wrong}"


def test_f07_verify_names_every_damaged_blob(sound: dict[str, bytes]) -> None:
    """The operator must know what to restore."""
    for name in [n for n in sound if n.startswith(("packs/", "manifests/"))]:
        data = bytearray(sound[name])
        data[len(data) // 2] ^= 1
        folder = CheckpointFolder(MemoryStore(blobs={**sound, name: bytes(data)}))
        wrong = [e for n in folder.epochs() for e in folder.verify(n)]
        assert wrong
        assert all(name in error.fact for error in wrong)


GOLDEN = Path(__file__).parent.parent / "golden" / "checkpoints" / "format-2" / "tumble"


def _run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "millstream.cli", "run", "program.sql", "--quiet",
         "--checkpoint", "checkpoints"],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p or str(Path.cwd()) for p in sys.path)},
    )  # fmt: skip


def _flip(folder: Path, kind: str) -> None:
    file = max((folder / "checkpoints").glob(kind))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


@pytest.mark.parametrize("kind", ["packs/*", "manifests/*"])
def test_f07_the_epoch_before_is_taken_where_no_sink_saw_the_damaged_one(
    kind: str, tmp_path: Path
) -> None:
    """The pipeline died before delivery: the epoch before is as good, and nothing is lost."""
    folder = tmp_path / "tumble"
    shutil.copytree(GOLDEN, folder)
    _flip(folder, kind)
    done = _run(folder)
    assert done.returncode == 0, done.stderr
    from tests.golden.programs import PROGRAMS

    assert PROGRAMS["tumble"].rows(folder) == json.loads((folder / "expect.json").read_text())
    assert DiskStore(folder / "checkpoints").names("damaged/")


def test_f07_the_epoch_before_is_not_taken_where_a_sink_has_the_damaged_one(tmp_path: Path) -> None:
    """Its rows are out: going on from the one before would give them twice."""
    folder = tmp_path / "tumble"
    shutil.copytree(GOLDEN, folder)
    assert _run(folder).returncode == 0
    _flip(folder, "packs/*")
    done = _run(folder)
    assert done.returncode == 1
    assert "may have its rows already" in done.stderr
    assert not DiskStore(folder / "checkpoints").names("damaged/")
