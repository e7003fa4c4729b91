"""Jobs: how they stand, their plan, their past; pause, resume, stop, savepoint."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from fastapi.responses import Response

from millstream.errors import UnknownName
from millstream.serve import facts
from millstream.serve.history import SERIES
from millstream.serve.hub import Held
from millstream.serve.models import (
    CheckpointInfo,
    CheckpointList,
    HistoryPage,
    JobInfo,
    JobList,
    OperatorInfo,
    PlanGraph,
    SavepointAnswer,
    SavepointAsk,
    StopAsk,
)
from millstream.serve.permit import Action, permits
from millstream.serve.problems import ProblemError, problems
from millstream.serve.routes import Here, OfJob
from millstream.stores.open import is_same_place

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
PER_STEP = ("busy", "rows_in_per_s")
SERIES_MAX = 200
TEXT_MAX = 4_000
"""Characters of a query; encoded they must fit into the head of a request."""


@router.get("", dependencies=[permits(Action.READ)], operation_id="list_jobs")
async def list_jobs(here: Here) -> JobList:
    """All jobs of this server."""
    return JobList(items=[facts.job_info(held) for held in here.hub.jobs.values()])


@router.get(
    "/{job}",
    dependencies=[permits(Action.READ)],
    operation_id="get_job",
    responses=problems(404),
)
async def get_job(held: OfJob) -> JobInfo:
    """One job and how it stands."""
    return facts.job_info(held)


@router.get(
    "/{job}/plan",
    dependencies=[permits(Action.READ)],
    operation_id="get_plan",
    responses=problems(404),
)
async def get_plan(held: OfJob) -> PlanGraph:
    """The steps of a job and what flows between them."""
    return facts.plan_graph(held)


@router.get(
    "/{job}/operators/{operator:path}",
    dependencies=[permits(Action.READ)],
    operation_id="get_operator",
    responses=problems(404),
)
async def get_operator(
    held: OfJob, operator: Annotated[str, InPath(max_length=1_000, description="Its id.")]
) -> OperatorInfo:
    """One step of a job's plan."""
    return facts.operator_info(held, operator)


@router.get(
    "/{job}/history",
    dependencies=[permits(Action.READ)],
    operation_id="get_history",
    response_model=HistoryPage,
    responses=problems(400, 404),
)
async def get_history(
    held: OfJob,
    series: Annotated[
        str | None,
        Query(
            max_length=TEXT_MAX,
            description="Names with commas between: "
            + ", ".join(SERIES)
            + "; and ``busy:OPERATOR``, ``rows_in_per_s:OPERATOR``. Without: all.",
        ),
    ] = None,
    since_ms: Annotated[int, Query(ge=0, le=2**53, description="Only what is newer.")] = 0,
    coarse: Annotated[
        bool, Query(description="Every ten seconds of six hours, not every second of ten minutes.")
    ] = False,
) -> Response:
    """What a job did over time."""
    names = None if series is None else _series(held, series)
    step_s, at_ms, found = held.history.series(names, since_ms=since_ms, coarse=coarse)
    # Our own numbers: to check thousands of them costs more than to write them.
    page = HistoryPage.model_construct(step_s=step_s, at_ms=at_ms, series=found)
    return Response(page.model_dump_json(), media_type="application/json")


@router.get(
    "/{job}/checkpoints",
    dependencies=[permits(Action.READ)],
    operation_id="list_checkpoints",
    responses=problems(404),
)
async def list_checkpoints(held: OfJob, here: Here) -> CheckpointList:
    """The newest checkpoints, oldest first; of those before this process only what is kept."""
    ours = [facts.checkpoint_info(one) for one in held.last.now.checkpoints]
    stored = await here.aside(_stored, held, {one.number for one in ours})
    return CheckpointList(items=sorted([*stored, *ours], key=lambda one: one.number))


@router.post(
    "/{job}/pause",
    dependencies=[permits(Action.CONTROL)],
    operation_id="pause_job",
    responses=problems(404, 409),
)
async def pause_job(held: OfJob, here: Here) -> JobInfo:
    """Have a job take no rows until it is resumed; checkpoints go on."""
    _living(held)
    await here.aside(held.running.pause)
    return facts.job_info(held)


@router.post(
    "/{job}/resume",
    dependencies=[permits(Action.CONTROL)],
    operation_id="resume_job",
    responses=problems(404, 409),
)
async def resume_job(held: OfJob, here: Here) -> JobInfo:
    """Have a paused job go on; one that has ended is started again where that is offered."""
    if held.running.done:
        if held.again is None:
            _living(held)
        return facts.job_info(await here.aside(here.hub.start_again, held.name, long=True))
    await here.aside(held.running.resume)
    return facts.job_info(held)


@router.post(
    "/{job}/stop",
    status_code=202,
    dependencies=[permits(Action.CONTROL)],
    operation_id="stop_job",
    responses=problems(404, 409),
)
async def stop_job(held: OfJob, ask: StopAsk, here: Here) -> JobInfo:
    """Ask a job to end; ``drain`` closes its open windows first."""
    _living(held)
    await here.aside(held.running.ask_to_stop, drain=ask.drain)
    return facts.job_info(held)


@router.post(
    "/{job}/savepoint",
    dependencies=[permits(Action.CONTROL)],
    operation_id="make_savepoint",
    responses=problems(400, 404, 409, 503),
)
async def make_savepoint(held: OfJob, ask: SavepointAsk, here: Here) -> SavepointAnswer:
    """Copy all state to a place of its own, while the job goes on."""
    _living(held)
    target = _target(held, ask.target)
    epoch = await here.aside(held.running.savepoint, target, long=True)
    return SavepointAnswer(epoch=epoch, target=target)


def _living(held: Held) -> None:
    if held.running.done:
        raise ProblemError(
            409,
            f"The job '{held.name}' has ended.",
            hint="Start it again: it goes on from its checkpoint, if it keeps one.",
        )


def _target(held: Held, text: str) -> str:
    """Return where a savepoint goes: a folder of this machine, or a bucket."""
    kept = held.job.settings.checkpoint_dir
    scheme, found, _ = text.partition("://")
    if any(not c.isprintable() for c in text) or (found and scheme.lower() not in _SCHEMES):
        raise ProblemError(
            400,
            "A savepoint goes into a folder of the server, or into a bucket.",
            hint="Give a path, or s3://BUCKET/PATH, gs://…, az://….",
        )
    if kept is not None and is_same_place(kept, text):
        raise ProblemError(
            409,
            "That is the folder of the job's own checkpoints.",
            hint="Give every savepoint a folder of its own.",
        )
    return text


_SCHEMES = ("s3", "gs", "az", "file")
_COMMA = re.compile(r",(?![^\[\]]*\])")
"""Between names; those inside the id of a step, as ``group[a,b]``, are part of it."""


def _series(held: Held, text: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in _COMMA.split(text) if name.strip()))
    if len(names) > SERIES_MAX:
        raise ProblemError(400, f"There are more than {SERIES_MAX} series.", hint="Ask twice.")
    steps = [step.uid for step in held.last.now.steps]
    for name in names:
        kind, _, step = name.partition(":")
        if name not in SERIES and not (kind in PER_STEP and step in steps):
            per_step = [f"{kind}:{uid}" for kind in PER_STEP for uid in steps]
            raise UnknownName("series", name, available=[*SERIES, *per_step])
    return names


def _stored(held: Held, known: set[int]) -> list[CheckpointInfo]:
    """Return what a folder of this machine has of checkpoints that are not known."""
    from millstream.engine.checkpoint_folder import CheckpointFolder
    from millstream.errors import MillstreamError
    from millstream.stores.open import open_store

    settings = held.job.settings
    if settings.checkpoint_dir is None or "://" in settings.checkpoint_dir:
        return []
    folder = CheckpointFolder(open_store(settings.checkpoint_dir, settings))
    found: list[CheckpointInfo] = []
    for number in folder.epochs():
        if number in known:
            continue
        try:
            said: Any = folder.manifest(number)
        except MillstreamError:
            continue  # it was pruned meanwhile, or is damaged: `millstream checkpoints` tells
        size = sum(place.length for place in said.chunks.values()) or said.bytes_new
        found.append(
            CheckpointInfo(number=number, at_ms=said.written_at_ms or 0, took_ms=None, bytes=size)
        )
    return found
