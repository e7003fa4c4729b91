"""Machine code is kept by one process at a time."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from numba.core.caching import IndexDataCacheFile

from millstream.columns import jit


def plus_one(x: float) -> float:
    return x + 1.0


def test_code_is_saved_under_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cold starts at once gave two signatures one file; a later start crashed in machine code.
    """  # fmt: skip
    monkeypatch.setattr(jit, "cache_folder", lambda: str(tmp_path))
    free: list[bool] = []
    save = IndexDataCacheFile.save

    def watched(self: IndexDataCacheFile, key: object, data: object) -> None:
        with (tmp_path / "lock").open("w") as other:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free.append(True)
            except BlockingIOError:
                free.append(False)
        save(self, key, data)

    monkeypatch.setattr(IndexDataCacheFile, "save", watched)
    compiled = jit.kernel(plus_one)
    assert compiled(1.0) == 2.0
    assert compiled(1) == 2.0
    assert free == [False, False]
    assert list(tmp_path.rglob("*.nbc")), "the code was kept"
