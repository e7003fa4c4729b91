"""From what a job tells of itself to what the API says of it: pure functions, nothing is kept.

in      a :class:`~millstream.serve.hub.Held` and its newest look
out     values of :mod:`millstream.serve.models`; rates are those between the two newest looks
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from millstream.engine.progress import CheckpointProgress, SplitProgress, State, StepProgress
from millstream.errors import UnknownName
from millstream.serve.history import (
    busy_between,
    latency_ms,
    rate,
    seconds_between,
    share,
)
from millstream.serve.models import (
    CheckpointInfo,
    JobInfo,
    OperatorInfo,
    PlanEdge,
    PlanGraph,
    SplitInfo,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millstream.engine.progress import SinkProgress
    from millstream.serve.hub import Held, Look

ENDED = (State.COMPLETED, State.STOPPED, State.FAILED)
KINDS = ("source", "step", "sink")
_NAMED = ("Scan", "Write")
"""Steps that are known by their table."""


def _is_exactly_once(held: Held, sinks: Sequence[SinkProgress]) -> bool:
    """Tell whether every sink is; a live view goes back with the checkpoint, no row comes twice."""
    views = {view.name for view in held.running.views}
    kept = held.job.settings.checkpoint_dir is not None
    return bool(sinks) and all(sink.exactly_once or (kept and sink.name in views) for sink in sinks)


def job_info(held: Held) -> JobInfo:
    """Return how a job stands."""
    look = held.last
    now, before = look.now, look.before
    last = before or now
    passed_s = seconds_between(last, now)
    state = state_of(held)
    latency = None if before is None else before.latency
    return JobInfo(
        name=held.name,
        state=state.value,
        bounded=held.job.bounded,
        exactly_once=_is_exactly_once(held, now.sinks),
        checkpoint_dir=held.job.settings.checkpoint_dir,
        started_at_ms=held.started_at_ms,
        ended_at_ms=held.ended_at_ms,
        elapsed_s=now.elapsed_s,
        rows_in=now.rows_in,
        rows_out=now.rows_out,
        rows_late=now.rows_late,
        rows_rejected=now.rows_rejected,
        rows_in_per_s=rate(last.rows_in, now.rows_in, passed_s),
        rows_out_per_s=rate(last.rows_out, now.rows_out, passed_s),
        watermark_ms=now.watermark_ms,
        lag_ms=now.lag_ms,
        rows_waiting=now.rows_waiting,
        latency_p50_ms=latency_ms(latency, now.latency, 0.5),
        latency_p99_ms=latency_ms(latency, now.latency, 0.99),
        busy=share(busy_between(last, now) / passed_s),
        pressure=share((now.waited_s - last.waited_s) / passed_s),
        state_rows=now.state_rows,
        state_bytes=now.state_bytes,
        spilled_bytes=now.spilled_bytes,
        memory_bytes=now.memory_bytes,
        memory_limit=now.memory_limit,
        queued_bytes=now.queued_bytes,
        checkpoint=checkpoint_info(now.checkpoints[-1]) if now.checkpoints else None,
        checkpoint_failures=now.checkpoint_failures,
        restarts=now.restarts,
        restart_in_s=None if now.restarting is None else now.restarting.wait_s,
        last_failure=now.last_failure,
        can_be_told=not held.running.done,
        can_be_started_again=held.can_be_started_again,
    )


def state_of(held: Held) -> State:
    """Return where a job is in its life; the thread's end is seen at once."""
    state = held.running.state
    if held.running.done and state not in ENDED:
        return State.STOPPED
    return state


def plan_graph(held: Held) -> PlanGraph:
    """Return the steps of a job's plan with their figures, and how they hang together."""
    look = held.last
    passed_s = seconds_between(look.before or look.now, look.now)
    past = {s.uid: s for s in (look.before or look.now).steps}
    by_uid = {step.uid: step for step in look.now.steps}
    edges = [
        PlanEdge(
            source=uid,
            target=step.uid,
            rows=by_uid[uid].rows_out,
            rows_per_s=rate(past.get(uid, by_uid[uid]).rows_out, by_uid[uid].rows_out, passed_s),
        )
        for step in look.now.steps
        for uid in step.inputs
        if uid in by_uid
    ]
    return PlanGraph(
        operators=[_operator(look, step, past) for step in look.now.steps], edges=edges
    )


def operator_info(held: Held, uid: str) -> OperatorInfo:
    """Return one step; raises UnknownName with the ids there are."""
    look = held.last
    past = {s.uid: s for s in (look.before or look.now).steps}
    for step in look.now.steps:
        if step.uid == uid:
            return _operator(look, step, past)
    raise UnknownName("operator", uid, available=[step.uid for step in look.now.steps])


def checkpoint_info(one: CheckpointProgress) -> CheckpointInfo:
    """Return a checkpoint of this process."""
    return CheckpointInfo(number=one.number, at_ms=one.at_ms, took_ms=one.took_ms, bytes=one.bytes)


def name_of(label: str) -> str:
    """Return the short name of a step from its label.

    >>> name_of("Scan clicks [kafka] where n > 1"), name_of("Filter n > 1 → Project n")
    ('Scan clicks', 'Filter → Project')
    """
    names = []
    for part in label.split(" → "):
        words = part.split(" ")
        names.append(" ".join(words[:2]) if words[0] in _NAMED else words[0])
    return " → ".join(dict.fromkeys(names))


def _operator(look: Look, step: StepProgress, past: dict[str, StepProgress]) -> OperatorInfo:
    then = past.get(step.uid, step)
    passed_s = seconds_between(look.before or look.now, look.now)
    return OperatorInfo(
        id=step.uid,
        kind=_kind(step),
        name=name_of(step.label),
        label=step.label,
        rows_in=step.rows_in,
        rows_out=step.rows_out,
        rows_late=step.rows_late,
        rows_rejected=step.rows_rejected,
        rows_dropped=step.rows_dropped,
        rows_in_per_s=rate(then.rows_in, step.rows_in, passed_s),
        rows_out_per_s=rate(then.rows_out, step.rows_out, passed_s),
        bytes_in=step.bytes_in,
        bytes_out=step.bytes_out,
        bytes_queued=sum(sink.bytes_queued for sink in look.now.sinks if sink.name == step.uid),
        busy=share((step.busy_s - then.busy_s) / passed_s),
        watermark_ms=step.watermark_ms,
        state_rows=step.state_rows,
        state_bytes=step.state_bytes,
        splits=[_split(split) for split in look.now.splits if split.scan == step.uid],
    )


def _split(split: SplitProgress) -> SplitInfo:
    return SplitInfo(
        operator=split.scan,
        table=split.table,
        split=split.split,
        rows=split.rows,
        bytes=split.bytes,
        rows_waiting=split.rows_waiting,
        watermark_ms=split.watermark_ms,
        read_at_ms=split.read_at_ms,
        idle=split.idle,
        ended=split.ended,
    )


def _kind(step: StepProgress) -> Literal["source", "step", "sink"]:
    assert step.kind in KINDS, f"a step is no '{step.kind}'"
    return cast("Literal['source', 'step', 'sink']", step.kind)
