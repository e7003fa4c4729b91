"""Where the Kafka half finds its broker, and where it keeps what it needs meanwhile.

in      nothing; the server is the one of the tests (jars through Maven, loopback, free ports)
out     the address of a broker that lives as long as this process
state   folders under ``.bench/latency``; those of processes that are gone are removed first
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from benchmarks.harness.contract import KEPT

from tests.servers import kafka

FOLDER = KEPT / "latency"


def start_broker() -> str:
    """Start a broker of our own; raises NoServer where there is none to be had."""
    for left in FOLDER.glob("*-*"):
        number = left.name.rpartition("-")[2]
        if number.isdecimal() and not Path(f"/proc/{number}").exists():
            shutil.rmtree(left, ignore_errors=True)
    return str(kafka.start(run_folder("broker"), os.getpid())["plain"])


def run_folder(name: str) -> Path:
    """Make a folder of this process, empty."""
    folder = FOLDER / f"{name}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
