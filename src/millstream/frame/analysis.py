"""What a run for its figures has shown, as text: the plan as a tree with the figures of each step.

in      a job and its :class:`Analysis`
out     text: where the time went, then the tree; times are of the compute thread, in seconds and as
        a part of the run. Sources and sinks work beside it, in threads of their own
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream.frame.figures import bytes_text, count_text, rows_text, seconds_text, short_text
from millstream.plan.explain import explain

if TYPE_CHECKING:
    from millstream.engine.analyzing import Analysis
    from millstream.engine.progress import StepProgress
    from millstream.job import Job

ENDLESS_FOR_S = 10.0
"""So long an endless pipeline is run for its figures, if nobody says how long."""


def analyzed(job: Job, for_s: float | None = None) -> str:
    """Run a job for its figures and return them as text."""
    if for_s is None and not job.bounded:
        for_s = ENDLESS_FOR_S
    return analysis_text(job, job.analyze(for_s=for_s))


def analysis_text(job: Job, found: Analysis) -> str:
    """Return an analysis as text."""
    tree = explain(job.derived.plan, job.derived, notes=_notes(found))
    return "== Analyzed ==\n" + "\n".join([*_head(found), "", tree])


def _head(found: Analysis) -> list[str]:
    whole = found.elapsed_s
    rest = max(0.0, whole - found.busy_s - found.waited_s - found.blocked_s)
    ended = "to the end of its input" if found.ended == "completed" else "and was stopped"
    rows_in = found.progress.rows_in
    ran = (
        f"ran {seconds_text(whole)} {ended}: {rows_text(rows_in)} in "
        f"({short_text(rows_in / whole)}/s), {count_text(found.progress.rows_out)} out; "
        f"processor {seconds_text(found.cpu_s)}, all threads"
    )
    went = (
        f"compute thread: in steps {_share(found.busy_s, whole)}, "
        f"waiting for rows {_share(found.waited_s, whole)}, "
        f"waiting for sinks {_share(found.blocked_s, whole)}, between {_share(rest, whole)}"
    )
    untouched = (
        "nothing was written (sinks encoded rows and forgot them), no checkpoint was touched"
    )
    lines = [ran, untouched, went]
    slowest = found.slowest
    if slowest is not None and slowest.did.busy_s > 0:
        lines.append(
            f"most of it in: {slowest.did.label.splitlines()[0]} "
            f"({_share(slowest.did.busy_s, whole)})"
        )
    return lines


def _notes(found: Analysis) -> dict[str, tuple[str, ...]]:
    notes: dict[str, list[str]] = {}
    sinks = {sink.uid for sink in found.sinks}
    for step in found.steps:
        if step.did.uid not in sinks:
            notes.setdefault(step.did.uid, []).append(_of_step(step.did, found.elapsed_s))
        for uid in step.uids:
            if uid != step.did.uid:
                notes.setdefault(uid, []).append("runs as one with the step above")
    for source in found.sources:
        notes.setdefault(source.uid, []).append(
            f"reading and decoding {_share(source.busy_s, found.elapsed_s)}, of it "
            f"{seconds_text(source.cpu_s)} of the processor in its thread · "
            f"{bytes_text(source.bytes)}"
        )
    for sink in found.sinks:
        made = "no encoding" if sink.bytes is None else f"{bytes_text(sink.bytes)} encoded"
        notes.setdefault(sink.uid, []).append(
            f"encoding {_share(sink.busy_s, found.elapsed_s)} · {rows_text(sink.rows)} · {made}"
        )
    return {uid: tuple(lines) for uid, lines in notes.items()}


def _of_step(did: StepProgress, whole_s: float) -> str:
    batches = f"{count_text(did.batches)} batch" + ("" if did.batches == 1 else "es")
    parts = [
        _share(did.busy_s, whole_s),
        f"{rows_text(did.rows_in)} in, {count_text(did.rows_out)} out, {batches}",
    ]
    aside = [
        f"{count_text(rows)} {what}"
        for rows, what in ((did.rows_late, "late"), (did.rows_rejected, "rejected"))
        if rows
    ]
    if aside:
        parts.append(", ".join(aside))
    if did.state_rows or did.state_bytes:
        parts.append(f"state {rows_text(did.state_rows)}, {bytes_text(did.state_bytes)}")
    return " · ".join(parts)


def _share(part_s: float, whole_s: float) -> str:
    percent = 100 * part_s / whole_s if whole_s > 0 else 0.0
    return f"{part_s:.3f} s ({percent:.1f} %)"
