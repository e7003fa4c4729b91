"""The faults F1 to F28: what happens in each, and why one has no test yet.

A fault's tests are found by their names, ``test_f07_…``, wherever they stand below ``tests``. A
house test wants a test or a reason for each, and refuses a reason whose test exists.
"""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
NAME = re.compile(r"def test_f(\d\d)_\w+")

FAULTS = {
    1: "kill -9 at every system call of a checkpoint and its commit",
    2: "kill -9 at random times under load",
    3: "kill during the recovery, again and again",
    4: "power loss: what was not synced is lost, torn or out of order",
    5: "fsync or close fails (EIO)",
    6: "the disk is full, and free again",
    7: "a bit flipped, a part cut off, missing or exchanged in a checkpoint",
    8: "two instances of one pipeline; one that was paused and wakes up",
    9: "paused for longer than the transaction or the session lives",
    10: "the broker restarts, cleanly and by kill -9, within a transaction",
    11: "the commit succeeds and its reply is lost",
    12: "the network: one way, none, slow, half-open, reset, delayed",
    13: "a sink that hangs",
    14: "the sink rejects a row, and a batch",
    15: "poison messages",
    16: "clocks that jump; daylight saving time",
    17: "out of order, late, an idle partition, a producer's duplicates",
    18: "partitions come, topics go, offsets are out of range",
    19: "Kinesis shards split and merge while running",
    20: "the schema changes in the middle of the stream",
    21: "checkpoints of every older format; a changed query",
    22: "memory, file descriptors, threads and functions of the user fail",
    23: "the object store is slow, says 503, 429, 412, or has half an upload",
    24: "a graceful end: SIGTERM in a batch, SIGTERM twice, a savepoint",
    25: "secrets rotate, certificates end, the identity provider is away",
    26: "the engine is upgraded, and downgraded, between two checkpoints",
    27: "fuzzed configurations and requests",
    28: "a soak at a fixed rate with a kill every 30 s",
}

REASONS = {
    19: "There is no Kinesis connector yet; the row comes with it.",
    20: "Formats have no schema registry yet; a document that does not fit its table is rejected "
    "and kept (F15). The row comes with the registry.",
    25: "Nothing here rotates yet: there is no identity provider, and secrets are read once, when "
    "a connection is opened. The row comes with the secured API.",
    27: "There is no API over HTTP yet; options are fuzzed by the unit tests of the registry. The "
    "row comes with the secured API.",
}


ELSEWHERE = {4: ("tests/simulator/test_simulator.py", "tests/simulator/test_lossy_store.py")}
"""Files all of whose tests are of one fault: a seed of the simulator loses power at any time."""


def found_tests() -> dict[int, list[str]]:
    """Fault → the tests that bear its number, as ``file::test``."""
    found: dict[int, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for match in NAME.finditer(path.read_text()):
            name = f"{path.relative_to(TESTS.parent)}::{match[0][4:]}"
            found.setdefault(int(match[1]), []).append(name)
    for number, files in ELSEWHERE.items():
        found.setdefault(number, []).extend(f for f in files if (TESTS.parent / f).exists())
    return found
