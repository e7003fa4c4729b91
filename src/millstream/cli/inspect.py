"""``millstream check FILE`` and ``explain FILE``: a program is looked at, nothing is touched.

``explain FILE --checkpoint DIR`` also tells the rows and bytes each step keeps in the newest epoch.
``explain FILE --analyze`` runs it for its figures, without writing anything.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from millstream.cli.failure import Exit
from millstream.cli.program import execute, kind_of, settings_of, text_of
from millstream.errors import MillstreamError, OptionError, PlanError
from millstream.frame import context
from millstream.plan.nodes import Plan
from millstream.ports.options import with_options
from millstream.settings import Settings
from millstream.types.time import duration_ms

if TYPE_CHECKING:
    from millstream.job import Job


def check_file(file: Path, pairs: list[str]) -> Exit:
    """Validate every plan of a program."""
    sinks = sum(len(job.plan.sinks) for job in jobs_of(file, pairs))
    print(f"{file}: ok ({sinks} sink{'' if sinks == 1 else 's'})", file=sys.stderr)
    return Exit.OK


def explain_file(
    file: Path,
    pairs: list[str],
    checkpoint: str | None = None,
    *,
    analyze: bool = False,
    for_text: str | None = None,
) -> Exit:
    """Print every plan of a program, what its steps keep in a checkpoint folder or what they do."""
    if for_text is not None and not analyze:
        raise OptionError("--for says how long --analyze runs.", hint="Add --analyze.")
    if analyze and checkpoint is not None:
        raise OptionError(
            "--analyze begins without state, --checkpoint tells what is kept.",
            hint="Leave one of them out.",
        )
    jobs = jobs_of(file, pairs)
    parts = [job.explain() for job in jobs]
    if checkpoint is not None:
        parts.append(_kept([job.plan for job in jobs], checkpoint, pairs))
    if analyze:
        from millstream.frame.analysis import analyzed

        for_s = None if for_text is None else seconds_of(for_text, "--for")
        parts = [analyzed(job, for_s) for job in jobs]
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


def jobs_of(file: Path, pairs: list[str]) -> list[Job]:
    """Return what a program would run, with its settings; everything is checked."""
    from millstream.job import Job

    around = context.Surroundings(context.Purpose.LOOK, options=settings_of(pairs))
    if kind_of(file) == "sql":
        from millstream.frame.sqls import script_of

        sinks, settings = script_of(text_of(file), str(file), around.options)
        jobs = [Job(Plan(tuple(s.node for s in sinks)), settings)] if sinks else []
    else:
        left = execute(file, around)
        jobs = [Job(*pair) for pair in zip(around.plans, around.settings, strict=True)]
        if left:
            settings = with_options(Settings(), dict(around.options), owner="settings")
            jobs.append(Job(Plan(tuple(s.node for s in left)), settings))
    if not jobs:
        raise PlanError(
            f"'{file}' declares nothing to run.",
            hint="Write INSERT INTO … in SQL; .write_…(…) or .show() in Python.",
        )
    for job in jobs:
        job.check()
    return jobs


def seconds_of(text: str, option: str) -> float:
    """Return a length of time of the command line in seconds: ``10s``, ``2 min``, ``1.5``."""
    try:
        found = float(text) if text.replace(".", "", 1).isdecimal() else duration_ms(text) / 1000
    except MillstreamError as error:
        raise OptionError(f"{option}: {error.fact}", hint="For instance 10s or 2min.") from None
    if found <= 0:
        raise OptionError(f"{option} must be more than nothing.", hint="For instance 10s.")
    return found
