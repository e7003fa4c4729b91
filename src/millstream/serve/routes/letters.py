"""Dead letters of a job: groups, pages, one of them, and putting them through again.

Letters lie in the checkpoint's folder or where the settings say; a request to put some through
again lies beside them, and the running job takes it up by itself (``source.discovery-interval``).
"""

from __future__ import annotations

import base64
import codecs
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi import Path as InPath

from millstream.serve.hub import Held
from millstream.serve.models import (
    LetterGroup,
    LetterGroupList,
    LetterInfo,
    LettersPage,
    ReplayAnswer,
    ReplayAsk,
)
from millstream.serve.paging import LIMIT, Cursor, Limit, cursor_of, read_cursor
from millstream.serve.permit import Action, permits
from millstream.serve.problems import ProblemError, problems
from millstream.serve.routes import Here, OfJob

if TYPE_CHECKING:
    from millstream.engine.dead_requests import Filter
    from millstream.engine.letter_store import LetterStore

router = APIRouter(prefix="/v1/jobs/{job}/letters", tags=["letters"])
TEXT_MAX = 1_000
LETTER_BYTES_MAX, LISTED_BYTES_MAX = 1 << 20, 1 << 16
"""Of a letter's bytes no more are sent: asked for alone, and as one of a page."""
EXACT_MAX = 2**53
_UTF_8 = codecs.getincrementaldecoder("utf-8")
Kind = Literal["undecodable", "rejected", "late", "refused"]
State = Literal["new", "asked", "replayed", "failed again"]
OfOperator = Annotated[
    str | None, Query(max_length=TEXT_MAX, description="Of this step, or of a step of this table.")
]
OfKind = Annotated[Kind | None, Query(description="Of this kind.")]
WithReason = Annotated[
    str | None, Query(max_length=TEXT_MAX, description="Whose reason holds this text.")
]
InState = Annotated[State | None, Query(description="In this state.")]


@router.get(
    "/groups",
    dependencies=[permits(Action.READ)],
    operation_id="list_letter_groups",
    responses=problems(404, 409, 503),
)
async def list_letter_groups(held: OfJob, here: Here) -> LetterGroupList:
    """Letters that are alike, the largest groups first."""
    return LetterGroupList(items=await here.aside(_groups, held))


@router.get(
    "",
    dependencies=[permits(Action.READ)],
    operation_id="list_letters",
    responses=problems(404, 409, 503),
)
async def list_letters(
    held: OfJob,
    here: Here,
    operator: OfOperator = None,
    kind: OfKind = None,
    reason: WithReason = None,
    state: InState = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> LettersPage:
    """Letters, oldest first."""
    after = None if cursor is None else tuple(read_cursor("letters", cursor, str, int, int))
    return await here.aside(_page, held, _filter(operator, kind, reason), state, after, limit)


@router.post(
    "/replay",
    status_code=202,
    dependencies=[permits(Action.REPLAY)],
    operation_id="replay_letters",
    responses=problems(404, 409, 503),
)
async def replay_letters(held: OfJob, ask: ReplayAsk, here: Here) -> ReplayAnswer:
    """Have letters that are new put through again; the job takes them up within seconds."""
    return await here.aside(_replay, held, ask, here.hub.clock_ms())


@router.get(
    "/{letter}",
    dependencies=[permits(Action.READ)],
    operation_id="get_letter",
    responses=problems(404, 409, 503),
)
async def get_letter(
    held: OfJob,
    here: Here,
    letter: Annotated[str, InPath(max_length=TEXT_MAX, description="Its id, as in ``12:5``.")],
) -> LetterInfo:
    """One letter with its bytes and columns."""
    found = await here.aside(_single, held, letter)
    if found is None:
        raise ProblemError(
            404, f"There is no letter '{letter}'.", hint=f"GET /v1/jobs/{held.name}/letters"
        )
    return found


def _filter(operator: str | None, kind: str | None, reason: str | None, **more: Any) -> Filter:
    from millstream.engine.dead_requests import Filter

    return Filter(operator, kind, reason, **more)


def _letters(held: Held) -> LetterStore:
    from millstream.engine.letters import letter_store

    found = letter_store(held.job.settings)
    if found is None:
        raise ProblemError(
            409,
            f"The job '{held.name}' keeps no dead letters: they are only counted.",
            hint="Run it with a checkpoint folder, or set 'pipeline.dead-letters.dir'.",
        )
    return found


def _groups(held: Held) -> list[LetterGroup]:
    from millstream.engine.letter_views import groups

    return [
        LetterGroup(
            operator=one.operator,
            kind=one.kind,
            table=one.table,
            reason=one.reason,
            state=one.state,
            letters=one.letters,
            first_at_ms=one.first_ms,
            last_at_ms=one.last_ms,
        )
        for one in groups(_letters(held), _filter(None, None, None))
    ]


def _page(held: Held, wanted: Filter, state: str | None, after: Any, limit: int) -> LettersPage:
    from millstream.engine.letter_views import page

    if after is not None and "/" not in after[0]:
        raise ProblemError(422, "query cursor: it is none of this list.")
    found, last = page(_letters(held), wanted, state, after, limit)
    following = None if last is None else cursor_of("letters", *last)
    return LettersPage(
        letters=[_info(letter, LISTED_BYTES_MAX) for letter in found], next=following
    )


def _single(held: Held, letter: str) -> LetterInfo | None:
    from millstream.engine.letter_views import single

    blob, _, number = letter.rpartition(":")
    epoch = int(blob) if blob.isdecimal() and len(blob) < 19 else None
    if not number.isdecimal():
        return None
    found = single(_letters(held), _filter(None, None, None, epoch=epoch), None, [letter], 1)
    return _info(found[0], LETTER_BYTES_MAX) if found else None


def _replay(held: Held, ask: ReplayAsk, now_ms: int) -> ReplayAnswer:
    from millstream.engine.dead_requests import Requests

    ids = frozenset(ask.ids) if ask.ids else None
    wanted = _filter(ask.operator, ask.kind, ask.reason, ids=ids)
    request = Requests(_letters(held)).ask(wanted, now_ms)
    if request is None:
        raise ProblemError(
            409,
            "There is no letter to put through again.",
            hint="Those that were put through, or are asked for already, are not taken twice.",
        )
    return ReplayAnswer(request=request.number, letters=request.count)


def _info(letter: dict[str, Any], bytes_max: int) -> LetterInfo:
    raw: bytes | None = letter["raw"]
    text = None if raw is None else _text_of(raw, bytes_max)
    row = None if letter["row"] is None else json.loads(letter["row"], parse_int=_whole)
    coded = None
    if raw is not None and text is None:
        coded = base64.b64encode(raw[:bytes_max]).decode()
    return LetterInfo(
        id=letter["id"],
        kind=letter["kind"],
        state=letter["state"],
        operator=letter["operator"],
        table=letter["table"],
        reason=letter["reason"],
        at_ms=letter["time"],
        split=letter["split"],
        offset=letter["offset"],
        attempt=letter["attempt"],
        row=row,
        raw_text=text,
        raw_base64=coded,
    )


def _whole(digits: str) -> int | str:
    """Return a whole number, or its text where a reader might round it."""
    number = int(digits)
    return number if abs(number) <= EXACT_MAX else digits


def _text_of(raw: bytes, bytes_max: int) -> str | None:
    """Return the beginning of a text, None where it is none; no character is cut in two."""
    is_whole = len(raw) <= bytes_max
    try:
        return _UTF_8().decode(raw[:bytes_max], final=is_whole)
    except UnicodeDecodeError:
        return None
