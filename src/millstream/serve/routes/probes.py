"""Whether the server is alive, whether its jobs are as they should be, and the metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from millstream.engine.progress import State
from millstream.serve.facts import state_of
from millstream.serve.models import Health
from millstream.serve.permit import Action, permits
from millstream.serve.problems import problems
from millstream.serve.routes import Here

router = APIRouter(tags=["health"])
METRICS_TYPE = "text/plain"


@router.get("/healthz", dependencies=[permits(Action.OPEN)], operation_id="is_alive")
async def is_alive() -> Health:
    """Whether the server answers."""
    return Health(status="ok")


@router.get(
    "/readyz",
    dependencies=[permits(Action.OPEN)],
    operation_id="is_ready",
    responses={503: {"model": Health, "description": "A job is to come, waits, or has failed."}},
)
async def is_ready(here: Here, response: Response) -> Health:
    """Whether all jobs are there and run, are paused on purpose, or have ended well; else 503."""
    reasons = [f"jobs to be started: {here.hub.jobs_due}"] if here.hub.jobs_due else []
    for number, held in enumerate(here.hub.jobs.values(), 1):
        state = state_of(held)
        if state in (State.RESTARTING, State.FAILED):
            # No name and no failure: whoever may not read jobs may ask this.
            reasons.append(f"job {number} is {state.value}")
    if reasons:
        response.status_code = 503
        return Health(status="not ready", reasons=reasons)
    return Health(status="ok")


@router.get(
    "/metrics",
    dependencies=[permits(Action.METRICS)],
    operation_id="get_metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Metrics as Prometheus reads them.",
            "content": {
                METRICS_TYPE: {"schema": {"type": "string"}},
                "application/openmetrics-text": {"schema": {"type": "string"}},
            },
        },
        **problems(503),
    },
)
async def get_metrics(request: Request, here: Here) -> Response:
    """All metrics of all jobs, for Prometheus."""
    from millstream.serve.metrics.prometheus import render

    body, content_type = await here.aside(render, here.hub, request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": content_type})
