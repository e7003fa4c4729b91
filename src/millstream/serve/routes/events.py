"""Events sent to a job: ``POST /v1/events/TABLE``, durable before they are answered.

in      JSON: one object, or an array; or ``application/x-ndjson``: a document on each line
out     how many events were taken; with an idempotency key that was there before, none is
bad     a body that is no JSON: nothing of it is taken. What is JSON of another shape than the
        table is a rejected row of the stream, as in every source
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Request
from fastapi import Path as InPath

from millstream.errors import UnknownName
from millstream.plan.nodes import Scan
from millstream.serve.hub import Held, Hub
from millstream.serve.models import EventsAnswer
from millstream.serve.permit import Action, permits
from millstream.serve.problems import ProblemError, problems
from millstream.serve.routes import Here

if TYPE_CHECKING:
    from concurrent.futures import Future

    from millstream.connect.event_log import Accepted
    from millstream.plan.table import Table

router = APIRouter(prefix="/v1/events", tags=["events"])
CONNECTOR = "http-events"
EVENTS_MAX = 100_000
LINGER_S = 5.0
JSON, LINES = "application/json", "application/x-ndjson"
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_ANY = msgspec.json.Decoder(msgspec.Raw)
_BLANK = b" \t\r\n"
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": {
                    "oneOf": [
                        {"type": "object", "additionalProperties": True},
                        {"type": "array", "items": {}, "maxItems": EVENTS_MAX},
                    ]
                }
            },
            LINES: {"schema": {"type": "string"}},
        },
    }
}


@router.post(
    "/{table}",
    dependencies=[permits(Action.INGEST)],
    operation_id="send_events",
    responses=problems(400, 404, 409, 413, 415, 422, 429, 503),
    openapi_extra=_BODY,
)
async def send_events(
    table: Annotated[str, InPath(max_length=255, description="Name of the table.")],
    request: Request,
    here: Here,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="Of each request its own: sent again with it, nothing is taken twice.",
        ),
    ] = None,
) -> EventsAnswer:
    """Send events to a job; when the answer comes, they are on its disk."""
    held, found = await here.aside(_table, here.hub, table)
    body = await request.body()
    content_type = request.headers.get("content-type", "")
    written = await here.aside(_append, held, found, body, content_type, idempotency_key)
    if written is None:
        return EventsAnswer(accepted=0, repeated=False)
    answer = await asyncio.shield(asyncio.wrap_future(written))
    return EventsAnswer(accepted=answer.count, repeated=answer.repeated)


def documents(body: bytes, content_type: str) -> Sequence[bytes]:
    """Return the documents of a body, each as it was sent; raises a problem for what is no JSON.

    >>> documents(b'[{"a": 1}, 2]', "application/json")
    [b'{"a": 1}', b'2']
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == JSON:
        found = _of_json(body)
    elif kind in (LINES, "application/jsonl"):
        found = _of_lines(body)
    else:
        raise ProblemError(
            415, f"Events are not taken as '{kind or 'nothing'}'.", hint=f"Send {JSON} or {LINES}."
        )
    if len(found) > EVENTS_MAX:
        raise ProblemError(413, f"There are more than {EVENTS_MAX} events.", hint="Send less.")
    return found


def _of_json(body: bytes) -> Sequence[bytes]:
    text = body.strip(_BLANK)
    first = text[:1]
    if first == b"[":
        return [bytes(raw) for raw in _decoded(_ARRAY, text, "The body")]
    if first != b"{":
        raise ProblemError(422, "body: it is neither an object nor an array of events.", hint=_SEND)
    return [bytes(_decoded(_ANY, text, "The body"))]


def _of_lines(body: bytes) -> Sequence[bytes]:
    found = []
    # A loop over documents: each must be looked at, or a torn body would be taken in part.
    for number, line in enumerate(body.split(b"\n"), 1):
        text = line.strip(_BLANK)
        if text:
            _decoded(_ANY, text, f"Line {number}")
            found.append(text)
    return found


def _decoded(decoder: msgspec.json.Decoder[Any], text: bytes, what: str) -> Any:
    try:
        text.decode()
        return decoder.decode(text)
    except RecursionError:
        raise ProblemError(422, f"body: {what} is nested too deeply.", hint=_SEND) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError(422, f"body: {what} is no JSON: {error}.", hint=_SEND) from None


_SEND = "Send one JSON object, an array of them, or a document on each line (application/x-ndjson)."


def _table(hub: Hub, name: str) -> tuple[Held, Table]:
    """Return a table that takes events, and its job; one that two jobs have is ``job.table``."""
    found: dict[str, tuple[Held, Table]] = {}
    for job, held in hub.jobs.items():
        for node in held.job.plan.walk():
            if isinstance(node, Scan) and node.table.connector == CONNECTOR:
                known = found.get(node.table.name)
                taken = known is not None and known[0] is not held
                found[f"{job}.{node.table.name}" if taken else node.table.name] = held, node.table
    if name not in found:
        if hub.jobs_due:  # whoever sends events must not take this for the last word
            raise ProblemError(503, "The jobs are being started.", hint=_AGAIN)
        unknown = UnknownName("table of events", name, available=found)
        raise ProblemError(404, unknown.fact, hint=unknown.hint or _DECLARE)
    held, table = found[name]
    if held.running.done:
        raise ProblemError(
            409, f"The job '{held.name}' has ended: it takes no events.", hint="Start it again."
        )
    return held, table


_AGAIN = "Send it again a little later."
_DECLARE = "No job has one: CREATE TABLE … WITH ('connector' = 'http-events', 'format' = 'json')."


def _append(
    held: Held, table: Table, body: bytes, content_type: str, key: str | None
) -> Future[Accepted] | None:
    """Hand the events of a body to the log; None where there are none.

    The log is open as long as the job runs; between two runs it is opened for a while.
    """
    from millstream.connect.event_log import Busy, KeyReused, release
    from millstream.connect.http_events import log_of
    from millstream.ports.registry import home_of

    events = documents(body, content_type)
    if not events:
        return None
    log = log_of(table, home_of(held.job.settings))
    try:
        written = log.append(events, key)
    except Busy as error:
        raise ProblemError(429, error.fact, hint=error.hint) from None
    except KeyReused as error:
        raise ProblemError(409, error.fact, hint=error.hint) from None
    finally:
        release(log, linger_s=LINGER_S)
    return written
