"""The pages of a job: what of them can be told without a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def test_where_steps_are_drawn_and_what_is_seen_of_them() -> None:
    """Boxes that overlap or a view that loses its place are seen by nobody but users, or here."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node: these modules are used by the browser tests alone")
    # What a person has set for Node (a proxy, options) must not change what the tests see.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NODE_")}
    command = [node, "--test", str(HERE / "plan.test.mjs")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout
