"""What a running process and its folders take, read from outside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def rss_bytes(pid: int) -> int:
    """Memory of the process that is in RAM."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def fd_count(pid: int) -> int:
    """How many file descriptors are open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def folder_bytes(folder: Path) -> int:
    """Sizes of all files below a folder; those that go away meanwhile do not count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


def slope(values: Sequence[float]) -> float:
    """Growth per step, by least squares."""
    count = len(values)
    if count < 2:
        return 0.0
    middle, mean = (count - 1) / 2, sum(values) / count
    spread = sum((i - middle) ** 2 for i in range(count))
    return sum((i - middle) * (v - mean) for i, v in enumerate(values)) / spread
