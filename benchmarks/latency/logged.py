"""``python -m benchmarks.latency.logged FILE ARGUMENTS``: millstream, its log written to FILE.

in      the command line of ``python -m millstream``
out     what it does; the file tells of each epoch how long after its end it was with the sinks
"""

from __future__ import annotations

import logging
import re
import runpy
import sys
from pathlib import Path

_EPOCH = re.compile(r"epoch \d+ is with the sinks, ([\d.]+) ms after its end")


def commits_ms(file: Path) -> list[float]:
    """Return how long the epochs of a log took, from their end to being with the sinks."""
    return [float(found) for found in _EPOCH.findall(file.read_text())] if file.exists() else []


def main() -> None:
    """Run millstream as its own module does."""
    file, *rest = sys.argv[1:]
    handler = logging.FileHandler(file)
    handler.setLevel(logging.DEBUG)
    logger = logging.getLogger("millstream")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    sys.argv[1:] = rest
    runpy.run_module("millstream", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
