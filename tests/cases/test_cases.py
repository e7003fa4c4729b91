"""Every SQL case, in one batch, row by row, in random cuts and through crashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from millstream.testing.cases import read_case
from millstream.testing.run_case import Mode, check_case, modes, run_case

FOLDER = Path(__file__).parent
CASES = sorted(FOLDER.glob("*.sql"))
COUNT_MIN = 60


def _runs() -> list[object]:
    found: list[object] = []
    for path in CASES:
        ways: list[Mode | None] = list(modes(path.stem))
        if "\n-- error" in path.read_text(encoding="utf-8"):
            ways = [None]
        for mode in ways:
            name = "refused" if mode is None else mode.name.replace(",", "").replace(" ", "_")
            found.append(pytest.param(path, mode, id=f"{path.stem}-{name}"))
    return found


@pytest.mark.parametrize(("path", "mode"), _runs())
def test_case(path: Path, mode: Mode | None) -> None:
    """The file says why it exists."""
    check_case(read_case(path), mode)


def test_there_are_cases() -> None:
    """A pattern that matches nothing would pass for ever."""
    assert len(CASES) >= COUNT_MIN


BROKEN = {
    "rows": "-- why x\n-- input t: a INT\n--   1\n-- expect a\n--   2\nSELECT a FROM t",
    "rejected": "-- why x\n-- input t: a INT\n--   0\n-- expect a\nSELECT 1 / a AS a FROM t",
    "error": "-- why x\n-- input t: a INT\n-- error no such text\nSELECT b FROM t",
    "at": "-- why x\n-- input t: a INT\n-- error b\n-- at 1:1\nSELECT b FROM t",
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_case_that_does_not_hold_fails(what: str, tmp_path: Path) -> None:
    """A runner that never fails would make every case worthless."""
    path = tmp_path / "broken.sql"
    path.write_text(BROKEN[what], encoding="utf-8")
    with pytest.raises(AssertionError, match="broken"):
        run_case(path)
