"""The whole API under schemathesis, served for real: no 5xx, nothing its description denies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from millstream.cli.inspect import jobs_of
from millstream.serve.hub import Hub
from millstream.serve.server import Serving
from tests.unit.serve_api.conftest import PROGRAM, until

HERE = Path(__file__).parent
# What is right by its schema and still wrong is told by 400 (no SQL, no such column) or 422 (no
# cursor of this list); a body of more than a megabyte by 413, before it is looked into.
CONFIG = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429]

[parameters]
"path.job" = "shop"
"path.table" = "clicks"

[[operations]]
include-operation-id = "stop_job"
parameters = { "path.job" = "victim" }

[[operations]]
include-operation-id = "get_view"
parameters = { "path.view" = "per_k" }

[[operations]]
include-operation-id = "list_rows"
parameters = { "path.view" = "per_k" }
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 404, 422]

[[operations]]
include-operation-id = "list_letters"
checks.positive_data_acceptance.expected-statuses = ["2xx", 404, 422]

[[operations]]
include-operation-id-regex = "(query|get_history)"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 404]
"""
EXAMPLES_MAX = 8


def started(hub: Hub, folder: Path, name: str) -> None:
    program = folder / f"{name}.sql"
    program.write_text(PROGRAM)
    pairs = [
        f"pipeline.name={name}",
        f"execution.checkpointing.dir={folder / name}",
        "execution.checkpointing.interval=500ms",
    ]
    (job,) = jobs_of(program, pairs)
    hub.add(job, job.start(), again=job.start)


@pytest.mark.slow
def test_what_the_description_says_is_so(tmp_path: Path) -> None:
    """Random requests, wrong ones and right ones: each answer is one that OpenAPI tells of.

    Streams are left out: they have no end, and their frames have tests of their own.
    """
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    hub = Hub()
    with hub.looking(), Serving(hub, "127.0.0.1:0") as server:
        for name in ("shop", "victim"):
            started(hub, tmp_path, name)
        until(lambda: len(hub.views()["per_k"][1]) == 10)
        command = [
            str(Path(sys.executable).parent / "schemathesis"), "run", f"{server.url}/openapi.json",
            "--checks", "all", "--max-examples", str(EXAMPLES_MAX), "--seed", "1",
            "--phases", "coverage,fuzzing,stateful", "--workers", "1", "--no-color",
            "--exclude-path-regex", "/(events|query/events)$", "--generation-database", "none",
            "--suppress-health-check", "all", "--continue-on-failure",
        ]  # fmt: skip
        told = {
            "PYTHONPATH": str(HERE.parents[2]),
            "SCHEMATHESIS_HOOKS": "tests.unit.serve_api.fuzz_hooks",
            "FUZZ_FOLDER": str(tmp_path / "savepoints"),
        }
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, **told},
        )  # fmt: skip
        for held in hub.jobs.values():
            if not held.running.done:
                held.running.stop()
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert not hub.held("shop").last.now.last_failure
