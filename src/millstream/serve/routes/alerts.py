"""Alerts of all jobs and of the server itself, what is watched, and silences.

A silence is kept by each book of alerts on its own (each job's, the server's); made in one request
it is shown as one, under an id that names its parts.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi import Path as InPath

from millstream.errors import UnknownName
from millstream.serve.models import (
    AlertInfo,
    AlertList,
    AlertRule,
    AlertRuleList,
    AlertState,
    SilenceAsk,
    SilenceInfo,
    SilenceList,
)
from millstream.serve.paging import LIMIT, LIMIT_MAX, Limit
from millstream.serve.permit import Action, permits
from millstream.serve.problems import ProblemError, problems
from millstream.serve.routes import Here, Served

if TYPE_CHECKING:
    from millstream.connect.alert_book import AlertBook

router = APIRouter(prefix="/v1", tags=["alerts"])
TOGETHER_MS = 1_000
"""Silences of several books that are so near in time, and alike, were made in one request."""
_JOINT = "-"


@router.get("/alerts", dependencies=[permits(Action.READ)], operation_id="list_alerts")
async def list_alerts(
    here: Here,
    state: Annotated[AlertState | None, Query(description="Only those in this state.")] = None,
    limit: Limit = LIMIT_MAX,
) -> AlertList:
    """What is pending or firing, the newest first; with ``state=resolved`` what was."""
    found = await here.aside(_active, here, state, limit)
    return AlertList(items=found)


@router.get("/alerts/rules", dependencies=[permits(Action.READ)], operation_id="list_alert_rules")
async def list_alert_rules(here: Here) -> AlertRuleList:
    """What is watched."""
    found = await here.aside(lambda: [rule for book in _books(here) for rule in book.rules()])
    return AlertRuleList(items=[AlertRule.model_validate(asdict(rule)) for rule in found])


@router.get("/alerts/history", dependencies=[permits(Action.READ)], operation_id="alert_history")
async def alert_history(here: Here, limit: Limit = LIMIT) -> AlertList:
    """What was resolved, the newest first."""
    return AlertList(items=await here.aside(_resolved, here, limit))


@router.get("/silences", dependencies=[permits(Action.READ)], operation_id="list_silences")
async def list_silences(here: Here) -> SilenceList:
    """Silences in force and those that were, the newest first."""
    found = await here.aside(lambda: [one for book in _books(here) for one in book.silences()])
    return SilenceList(items=together([_silence(one) for one in found]))


@router.post(
    "/silences",
    status_code=201,
    dependencies=[permits(Action.SILENCE)],
    operation_id="make_silence",
    responses=problems(409),
)
async def make_silence(ask: SilenceAsk, here: Here) -> SilenceInfo:
    """Tell nobody of alerts that have all these labels; they are still shown."""
    made = await here.aside(
        lambda: [book.silence(ask.labels, ask.seconds, ask.comment) for book in _books(here)]
    )
    if not made:
        raise ProblemError(
            409,
            "Nothing is watched here, so there is nothing to silence.",
            hint="Declare an alert: CREATE ALERT … or stream.alert(…).",
        )
    return together([_silence(one) for one in made])[0]


@router.delete(
    "/silences/{silence}",
    status_code=204,
    dependencies=[permits(Action.SILENCE)],
    operation_id="end_silence",
    responses=problems(404),
)
async def end_silence(
    silence: Annotated[str, InPath(max_length=1_000, description="Its id.")], here: Here
) -> Response:
    """End a silence."""
    await here.aside(_unsilence, here, silence)
    return Response(status_code=204)


def together(found: list[SilenceInfo]) -> list[SilenceInfo]:
    """Return silences that were made in one request as one, the newest first."""
    made: list[SilenceInfo] = []
    for one in sorted(found, key=lambda s: s.created_at_ms, reverse=True):
        for place, other in enumerate(made):
            if (
                (one.labels, one.comment) == (other.labels, other.comment)
                and abs(one.created_at_ms - other.created_at_ms) <= TOGETHER_MS
                and abs(one.ends_at_ms - other.ends_at_ms) <= TOGETHER_MS
            ):
                ids = _JOINT.join(sorted([*other.id.split(_JOINT), one.id]))
                made[place] = other.model_copy(update={"id": ids})
                break
        else:
            made.append(one)
    return made


def _books(here: Served) -> list[AlertBook]:
    books = [book for held in here.hub.jobs.values() for book in held.running.alert_books]
    return books if here.health is None else [*books, here.health.book]


def _active(here: Served, state: str | None, limit: int) -> list[AlertInfo]:
    if state == "resolved":
        return _resolved(here, limit)
    found = (_alert(one) for book in _books(here) for one in book.active(state, limit))
    return _newest(found)[:limit]


def _resolved(here: Served, limit: int) -> list[AlertInfo]:
    found = (_alert(one) for book in _books(here) for one in book.history(limit))
    return _newest(found)[:limit]


def _unsilence(here: Served, silence: str) -> None:
    books = {one.id: book for book in _books(here) for one in book.silences()}
    parts = silence.split(_JOINT)
    if not books.keys() >= set(parts):
        raise UnknownName("silence", silence, available=books)
    for part in parts:
        books[part].unsilence(part)


def _newest(found: Any) -> list[AlertInfo]:
    return sorted(found, key=lambda a: a.resolved_at_ms or a.fired_at_ms or a.since_ms)[::-1]


def _alert(one: Any) -> AlertInfo:
    return AlertInfo.model_validate(asdict(one))


def _silence(one: Any) -> SilenceInfo:
    return SilenceInfo.model_validate(asdict(one))
