"""Errors as the API tells them: application/problem+json (RFC 9457), never a traceback.

in      errors of this package, of validation and of the framework; anything else
out     a :class:`~millstream.serve.models.Problem` with what, where and what to do next
law     what is not ours to explain is a 500 that says no more than that; the log has the rest
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from millstream.errors import (
    CheckpointError,
    ConnectorError,
    DataError,
    Domain,
    JobError,
    MillstreamError,
    MissingExtra,
    PlanError,
    UnknownName,
)
from millstream.ports.store import NotThere
from millstream.serve.models import Problem

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

LOG = logging.getLogger("millstream")
PAGES = "/{path:path}"
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
TEXT_MAX = 4_000
"""Longer texts of errors are cut: a request is not to be sent back whole."""
_OF_A_PATH = frozenset({"job", "view", "operator", "letter", "silence", "alert"})
"""What is named by an address: unknown, it is not found. Other names are parts of a request."""


class ProblemError(Exception):
    """A request that is not served, as a handler of it says."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.hint = hint
        self.headers = dict(headers or {})


def problem(
    status: int,
    detail: str,
    *,
    hint: str | None = None,
    instance: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem as a response."""
    said = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=_shown(detail),
        hint=None if hint is None else _shown(hint),
        instance=None if instance is None else _shown(instance),
    )
    given = dict(headers or {})
    if status in (429, 503):
        given.setdefault("Retry-After", str(RETRY_AFTER_S))
    body = json.dumps(said.model_dump(exclude_none=True), ensure_ascii=False)
    return Response(
        body.encode(errors="backslashreplace"), status, media_type=MEDIA_TYPE, headers=given
    )


def of_error(error: MillstreamError, instance: str | None = None) -> Response:
    """Return an error of this package as a response."""
    detail = str(MillstreamError(error.fact, where=error.where))
    return problem(status_of(error), detail, hint=error.hint, instance=instance)


def status_of(error: MillstreamError) -> int:
    """Return the status that says what kind of error it is.

    >>> status_of(UnknownName("job", "x")), status_of(UnknownName("column", "x"))
    (404, 400)
    """
    if isinstance(error, UnknownName):
        return 404 if error.kind in _OF_A_PATH else 400
    if isinstance(error, NotThere):
        return 404
    if isinstance(error, PlanError | DataError):
        return 400
    if isinstance(error, ConnectorError):
        return 409 if error.domain in (Domain.CONFIG, Domain.DATA, Domain.AUTH) else 503
    if isinstance(error, CheckpointError | JobError):
        return 409
    return 501 if isinstance(error, MissingExtra) else 500


def handled(app: FastAPI) -> None:
    """Have an application tell its errors this way."""

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, MillstreamError), "registered for these"
        return of_error(error, request.url.path)

    async def said(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError), "registered for these"
        return problem(
            error.status,
            error.detail,
            hint=error.hint,
            instance=request.url.path,
            headers=error.headers,
        )

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError), "registered for these"
        detail, hint = _of_validation(error.errors())
        return problem(422, detail, hint=hint, instance=request.url.path)

    async def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException), "registered for these"
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(allowed(app, request)) or headers.get("Allow", "")
        return problem(
            error.status_code,
            _DETAILS.get(error.status_code, str(error.detail)),
            hint=_HINTS.get(error.status_code),
            instance=request.url.path,
            headers=headers,
        )

    app.add_exception_handler(MillstreamError, ours)
    app.add_exception_handler(ProblemError, said)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, framework)


_DETAILS = {
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    413: "The request is too large.",
}
_HINTS = {
    404: "GET /openapi.json lists all addresses.",
    405: "The header Allow lists those it takes.",
}


def allowed(app: FastAPI, request: Request) -> list[str]:
    """Return all methods of an address; pages, which are wherever nothing else is, are no part.

    The framework itself knows only those of one route.
    """
    from fastapi.routing import iter_route_contexts
    from starlette.routing import Match

    found: set[str] = set()
    first: str | None = None
    for context in iter_route_contexts(app.routes):
        if context.path == PAGES and request.url.path.startswith("/v1/"):
            continue
        for method in context.methods or ():
            match, _ = context.original_route.matches({**request.scope, "method": method})
            if match is Match.FULL and first in (None, context.path):
                first = context.path  # of two that would do, as `/replay` and `/{letter}`, one is
                found.add(method)
    return sorted(found)


def _of_validation(errors: Sequence[Any]) -> tuple[str, str | None]:
    """Return what is wrong with a request, the first few faults of it, and what to do."""
    told: list[str] = []
    for error in errors[:5]:
        place = [str(part) for part in error["loc"]]
        where = f"{place[0]} {'.'.join(place[1:])}".strip() if place else "request"
        told.append(f"{where}: {_lower(str(error['msg']))}")
    more = len(errors) - len(told)
    detail = "; ".join(told) + (f"; and {more} more" if more > 0 else "")
    first = errors[0] if errors else {}
    if first.get("type") == "json_invalid":
        return detail, "The body is no JSON."
    return detail, "GET /openapi.json says what is accepted."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _shown(text: str) -> str:
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"


REF = {"$ref": "#/components/schemas/Problem"}
_SAID = {
    400: "The request cannot be understood or does not fit.",
    401: "A token is needed.",
    403: "This is not allowed, or comes from a page of another site.",
    404: "There is no such thing; the hint names those there are.",
    409: "It cannot be done as things stand.",
    413: "The body is too large.",
    415: "The body is of a type that is not taken.",
    421: "The request is for another host.",
    422: "A parameter or the body is not as described.",
    429: "Too many at a time; Retry-After says when to come again.",
    503: "Not possible now; Retry-After says when to come again.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare problems in the API's description."""
    return {
        status: {"description": _SAID[status], "content": {MEDIA_TYPE: {"schema": REF}}}
        for status in statuses
    }
