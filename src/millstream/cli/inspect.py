"""``millstream check FILE`` and ``explain FILE``: a program is looked at, nothing is touched.

``explain FILE --checkpoint DIR`` also tells the rows and bytes each step keeps in the newest epoch.
"""

from __future__ import annotations

import sys
from pathlib import Path

from millstream.cli.failure import Exit
from millstream.cli.program import execute, kind_of, settings_of, text_of
from millstream.errors import PlanError
from millstream.frame import context
from millstream.plan.nodes import Plan
from millstream.ports.options import with_options
from millstream.settings import Settings


def check_file(file: Path, pairs: list[str]) -> Exit:
    """Validate every plan of a program."""
    plans = _plans(file, pairs)
    sinks = sum(len(plan.sinks) for plan in plans)
    print(f"{file}: ok ({sinks} sink{'' if sinks == 1 else 's'})", file=sys.stderr)
    return Exit.OK


def explain_file(file: Path, pairs: list[str], checkpoint: str | None = None) -> Exit:
    """Print every plan of a program, and what its steps keep in a checkpoint folder."""
    from millstream.job import Job

    plans = _plans(file, pairs)
    parts = [Job(plan).explain() for plan in plans]
    if checkpoint is not None:
        parts.append(_kept(plans, checkpoint, pairs))
    print("\n\n".join(parts))
    return Exit.OK


def _kept(plans: list[Plan], checkpoint: str, pairs: list[str]) -> str:
    """Return what each step keeps in the newest epoch of a folder, the largest first."""
    from millstream.engine.checkpoint_folder import CheckpointFolder
    from millstream.frame.figures import bytes_text, rows_text
    from millstream.job import Job
    from millstream.stores.open import open_store

    settings = with_options(Settings(), settings_of(pairs), owner="settings")
    store = open_store(checkpoint, settings)
    try:
        folder = CheckpointFolder(store)
        epochs = folder.epochs()
        if not epochs:
            return f"== In {checkpoint} ==\nno checkpoint yet"
        manifest = folder.manifest(epochs[-1])
    finally:
        store.close()
    labels = {node.uid: node.label() for plan in plans for node in Job(plan).derived.plan.walk()}
    found: list[tuple[int, int, str]] = []
    for uid, said in manifest.body["state"]["operators"].items():
        tables = said["tables"].values()
        if manifest.state_rows is None or not any(table["rows"] for table in tables):
            continue  # a checkpoint of the first format does not tell
        chunks = [manifest.chunks[name].raw for table in tables for name in table["chunks"]]
        rows = max(table["rows"] for table in tables)
        found.append((sum(chunks), rows, labels.get(uid, f"{uid} (not in this program)")))
    lines = [f"== In {checkpoint}, epoch {manifest.number} =="]
    for size, rows, label in sorted(found, reverse=True):
        lines.append(f"{label}: {rows_text(rows)}, {bytes_text(size)}")
    written = sum(place.length for place in manifest.chunks.values())
    lines.append(f"in all {bytes_text(sum(f[0] for f in found))}, {bytes_text(written)} as written")
    return "\n".join(lines)


def _plans(file: Path, pairs: list[str]) -> list[Plan]:
    from millstream.job import Job

    around = context.Surroundings(context.Purpose.LOOK, options=settings_of(pairs))
    if kind_of(file) == "sql":
        from millstream.frame.sqls import plans_of

        plans = plans_of(text_of(file), str(file), around.options)
    else:
        left = execute(file, around)
        plans = around.plans + ([Plan(tuple(s.node for s in left))] if left else [])
    if not plans:
        raise PlanError(
            f"'{file}' declares nothing to run.",
            hint="Write INSERT INTO … in SQL; .write_…(…) or .show() in Python.",
        )
    for plan in plans:
        Job(plan).check()
    return plans
