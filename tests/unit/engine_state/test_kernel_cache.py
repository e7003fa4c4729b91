"""Where compiled kernels are kept."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from millstream.columns import jit


def test_another_source_is_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an upgrade no machine code of the version before may run."""
    package = tmp_path / "millstream"
    (package / "columns").mkdir(parents=True)
    shutil.copy(jit.__file__, package / "columns" / "jit.py")
    (package / "callee.py").write_text("x = 1\n")
    monkeypatch.setattr(jit, "__file__", str(package / "columns" / "jit.py"))
    before = jit._sources()
    assert jit._sources() == before
    (package / "callee.py").write_text("x = 22\n")
    assert jit._sources() != before


def test_only_a_few_versions_are_kept(tmp_path: Path) -> None:
    """The cache folder does not grow with every upgrade."""
    folders = [tmp_path / f"kernels-{i}" for i in range(8)]
    for age, folder in enumerate(folders):
        folder.mkdir()
        os.utime(folder, (1_000_000 - age, 1_000_000 - age))
    jit._forget_old(tmp_path, folders[7])
    assert sorted(tmp_path.iterdir()) == [*folders[:3], folders[7]]
