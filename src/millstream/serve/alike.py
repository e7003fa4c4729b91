"""Answers to what many ask alike: all pages that follow a job ask for the same seconds of its past.

in      requests that the guard has let pass
out     to ``GET /v1/jobs/JOB/history`` what the route answered to the same query string, byte for
        byte, since the hub's last look at the job; everything else goes on to the routes
rights  asked each time (``permit.py``); who may not read is left to the route, which tells him
state   in the job's :class:`~millstream.serve.history.History`, bounded there
cost    a fifth of a poll that goes through the framework, which is most of what a poll costs
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection
from starlette.responses import Response

from millstream.serve.permit import Action, permit
from millstream.serve.problems import ProblemError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from millstream.serve.history import History
    from millstream.serve.hub import Hub

BEFORE, BEHIND = "/v1/jobs/", "/history"
JSON = "application/json"


class Alike:
    """The application behind the guard, which is asked once for what is asked often."""

    def __init__(self, app: ASGIApp, *, hub: Hub) -> None:
        self._app = app
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        history = self._history(scope)
        if history is None:
            await self._app(scope, receive, send)
            return
        question: bytes = scope["query_string"]
        found = history.answered(question)
        if found is None:
            await self._app(scope, receive, _Kept(history, question, send).send)
        else:
            await Response(found, media_type=JSON)(scope, receive, send)

    def _history(self, scope: Scope) -> History | None:
        """Return the history that is asked for; None: it is something else, or not allowed."""
        if scope["type"] != "http" or scope["method"] != "GET":
            return None
        path: str = scope["path"]
        if not (path.startswith(BEFORE) and path.endswith(BEHIND)):
            return None
        held = self._hub.jobs.get(path[len(BEFORE) : -len(BEHIND)])
        if held is None:
            return None
        try:
            permit(HTTPConnection(scope), Action.READ)
        except ProblemError:
            return None
        return held.history


class _Kept:
    """Keeps an answer on its way out, if it is whole and good."""

    def __init__(self, history: History, question: bytes, send: Send) -> None:
        self._history, self._question, self._send = history, question, send
        self._looks = history.looks
        self._is_good = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._is_good = message["status"] == 200
        elif self._is_good and not message.get("more_body", False):
            self._history.keep(self._question, message["body"], looks=self._looks)
        await self._send(message)
