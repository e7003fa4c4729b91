"""What the fuzzer is told: which savepoints it may make. Loaded by schemathesis, not by pytest."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import schemathesis


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """A savepoint goes where a text says: keep those of random texts in one folder."""
    body = case.body
    if not case.path.endswith("/savepoint") or not isinstance(body, dict):
        return
    target = body.get("target")
    if isinstance(target, str) and 0 < len(target) <= 4096:
        name = hashlib.sha256(target.encode(errors="replace")).hexdigest()[:12]
        case.body = {**body, "target": os.path.join(os.environ["FUZZ_FOLDER"], name)}  # noqa: PTH118
