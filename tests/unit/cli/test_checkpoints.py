"""``millstream checkpoints`` and ``millstream stop``: what they print, and what they refuse."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

import millstream as ms
from millstream.cli import checkpoints, stop
from millstream.cli.failure import Exit
from millstream.engine.checkpoint_folder import CheckpointFolder
from millstream.engine.checkpoint_store import CheckpointStore
from millstream.errors import CheckpointError
from millstream.stores.disk import DiskStore
from tests.unit.engine.test_checkpoint_store import epoch, large


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store = CheckpointStore(tmp_path / "ck", retained=4)
    for number in (1, 2, 3, 4):
        store.write(epoch(number, large().head(number * 1000)))
    store.close()
    return tmp_path / "ck"


def test_list(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """People see epochs and sizes, programs get all of it as JSON."""
    assert checkpoints.show(str(folder), "table", []) is Exit.OK
    assert "4,000" in capsys.readouterr().out
    checkpoints.show(str(folder), "json", [])
    found = json.loads(capsys.readouterr().out)
    assert [e["epoch"] for e in found["epochs"]] == [1, 2, 3, 4]
    assert found["epochs"][3]["positions"] == {"scan": {"0": 4}}


def test_verify_exits_1_and_names_the_blob(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A monitor looks at the exit code, the operator at the name."""
    assert checkpoints.verify(str(folder), []) is Exit.OK
    pack = max((folder / "packs").iterdir())
    pack.write_bytes(pack.read_bytes()[:-1])
    assert checkpoints.verify(str(folder), []) is Exit.FAILED
    assert f"packs/{pack.name}" in capsys.readouterr().out


def test_prune_tells_before_it_removes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a dry run tells is what is removed then, and what is kept stays whole."""
    (folder / "packs" / "000000003-9").write_bytes(b"nobody's")
    before = sorted(folder.rglob("*"))
    checkpoints.prune(str(folder), 2, [], dry_run=True)
    told = capsys.readouterr().out.splitlines()[:-1]
    assert sorted(folder.rglob("*")) == before
    checkpoints.prune(str(folder), 2, [], dry_run=False)
    gone = {p.relative_to(folder).as_posix() for p in before} - {
        p.relative_to(folder).as_posix() for p in folder.rglob("*")
    }
    assert gone == set(told)
    assert "packs/000000003-9" in gone
    assert checkpoints.verify(str(folder), []) is Exit.OK


def test_a_running_pipeline_is_not_pruned_but_stopped_and_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The way of an upgrade: stop with a savepoint, go on from it in a new folder."""
    table = ms.sql(
        "CREATE TABLE a (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100');"
        "SELECT n FROM a"
    )
    job = ms.start(table.write_files(tmp_path / "out", format="json"), checkpoint=tmp_path / "ck")
    at = tmp_path / "during"
    number = job.savepoint(at)
    assert CheckpointFolder(DiskStore(at)).epochs() == [number]
    with pytest.raises(CheckpointError, match="prunes it by itself"):
        checkpoints.prune(str(tmp_path / "ck"), 2, [], dry_run=False)
    done: list[Exit] = []
    asks = threading.Thread(
        target=lambda: done.append(
            stop.stop_pipeline(str(tmp_path / "ck"), str(tmp_path / "sp"), [], drain=False)
        )
    )
    asks.start()
    summary = job.wait(120)
    asks.join(60)
    assert summary is not None
    assert done == [Exit.OK]
    assert "savepoint of epoch" in capsys.readouterr().out
    again = ms.start(
        table.write_files(tmp_path / "out", format="json"),
        checkpoint=tmp_path / "new",
        restore=tmp_path / "sp",
    )
    again.stop(timeout_s=120)
