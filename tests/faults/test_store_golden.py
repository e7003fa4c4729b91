"""F21, F26: checkpoints that older versions wrote are read, and lead to the right result.

F26 (upgrade and downgrade between two installed versions) waits for a second released version: as
long as there is one, the golden folders are what older versions left, and an older version that
meets format 2 finds ``format`` where it looks for it, and refuses.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from millstream.engine.checkpoint_folder import FORMAT, CheckpointFolder
from millstream.stores.disk import DiskStore
from tests.faults.test_store_damage import _run
from tests.golden.programs import PROGRAMS

pytestmark = pytest.mark.faults
GOLDEN = Path(__file__).parent.parent / "golden" / "checkpoints"
FOLDERS = sorted(f"{p.parent.name}/{p.name}" for p in GOLDEN.glob("format-*/*") if p.is_dir())


@pytest.mark.parametrize("name", FOLDERS)
def test_f21_every_golden_checkpoint_goes_on_to_the_right_result(name: str, tmp_path: Path) -> None:
    """It died with output that was not delivered; nothing of it may be lost or come twice."""
    folder = tmp_path / "golden"
    shutil.copytree(GOLDEN / name, folder)
    checkpoints = CheckpointFolder(DiskStore(folder / "checkpoints"))
    before = checkpoints.epochs()[-1]
    assert not [e for n in checkpoints.epochs() for e in checkpoints.verify(n)]
    assert checkpoints.read(before).outputs, "a golden checkpoint has output that waits"
    done = _run(folder)
    assert done.returncode == 0, done.stderr
    program = PROGRAMS[name.partition("/")[2]]
    assert program.rows(folder) == json.loads((folder / "expect.json").read_text())
    assert checkpoints.epochs()[-1] > before, "epochs go on"
    assert checkpoints.manifest(checkpoints.epochs()[-1]).format == FORMAT


def test_f21_there_is_a_golden_folder_of_every_format() -> None:
    """Whoever writes a new format must keep what the one before wrote."""
    formats = {name.partition("/")[0] for name in FOLDERS}
    assert formats == {f"format-{n}" for n in range(1, FORMAT + 1)}


def test_f26_an_older_version_finds_the_format_where_it_looks() -> None:
    """Format 1 reads plain JSON: it must be able to say that this is not its format."""
    for manifest in (GOLDEN / "format-2").glob("*/checkpoints/manifests/*.json"):
        assert json.loads(manifest.read_text())["format"] == FORMAT
