"""A pytest plugin: what the tests of a run said, as JSON (``-p tests.faults.report``).

in      MILLSTREAM_FAULTS_REPORT names the file; without it nothing is written
out     one object per test: name, outcome, seconds, its ``user_properties`` (fixture ``note``) and
        the last lines of a failure
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_found: dict[str, dict[str, Any]] = {}
_RANK = {"passed": 0, "skipped": 1, "failed": 2}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the worst outcome of setup, call and teardown; on xdist the controller hears it all."""
    if report.when != "call" and report.outcome == "passed":
        return
    kept = _found.setdefault(
        report.nodeid, {"outcome": report.outcome, "seconds": 0.0, "notes": {}, "text": ""}
    )
    if _RANK[report.outcome] > _RANK[kept["outcome"]]:
        kept["outcome"] = report.outcome
    kept["seconds"] += report.duration
    kept["notes"].update(dict(report.user_properties))
    if report.failed:
        kept["text"] = str(report.longrepr)[-1500:]
        _write()  # at once: a run of an hour may be ended before it ends


def pytest_sessionfinish() -> None:
    """Write what was found."""
    _write()


def _write() -> None:
    target = os.environ.get("MILLSTREAM_FAULTS_REPORT")
    if target and "PYTEST_XDIST_WORKER" not in os.environ:  # the controller hears of all
        Path(target).write_text(json.dumps(_found))
