"""Routes of the live feed: server-sent events and WebSockets of views, answers that keep moving.

in      the address says what is followed; ``Last-Event-ID`` where a reader comes back
out     frames (:mod:`millstream.serve.feed_frames`), until the reader goes or the server ends
bad     what is wrong with the question is a problem before anything is sent; a WebSocket is refused
        with the same problem
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, WebSocket
from starlette.responses import Response
from starlette.websockets import WebSocketDisconnect

from millstream.connect.live_view import At
from millstream.errors import MillstreamError
from millstream.serve.connection import link_of
from millstream.serve.feed import Feed
from millstream.serve.permit import PROTOCOL, Action, permits
from millstream.serve.problems import ProblemError, of_error, problem, problems

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from millstream.serve.feed_readers import Reader
    from millstream.serve.hub import Hub

LIMIT_MAX = 100_000
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Frames, for as long as the reader stays.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
ViewName = Annotated[str, Path(min_length=1, max_length=1_000)]
LookAt = Annotated[
    At, Query(description="`committed`: what the last checkpoint has; nothing of it is taken back.")
]
Limit = Annotated[
    int | None, Query(ge=1, le=LIMIT_MAX, description="Only the first rows; all without.")
]
Order = Annotated[
    str | None,
    Query(max_length=1_000, description="The column that says which are first; `-n`: the largest."),
]


def router(hub: Hub, feed: Feed | None = None) -> APIRouter:
    """Return the feed's routes."""
    routes, feed = APIRouter(), feed or Feed(hub)

    @routes.get(
        "/v1/views/{view}/events",
        status_code=200,  # the framework finds none in this class
        response_class=EventStream,
        responses={**_EVENTS, **problems(400, 401, 403, 404, 409, 422, 429)},
        dependencies=[permits(Action.READ)],
        summary="Follow a view (server-sent events)",
        tags=["views"],
    )
    async def events(
        request: Request,
        view: ViewName,
        limit: Limit = None,
        order: Order = None,
        at: LookAt = "newest",
        last_event_id: Annotated[str | None, Header(max_length=200)] = None,
    ) -> Response:
        link = link_of(request.scope)
        stack = AsyncExitStack()
        following = feed.follow(
            view, order, limit, at, link=link, last_event_id=last_event_id, comments=True
        )
        reader = stack.enter_context(following)
        return EventStream(reader, stack)

    @routes.get(
        "/v1/query/events",
        status_code=200,  # the framework finds none in this class
        response_class=EventStream,
        responses={**_EVENTS, **problems(400, 401, 403, 409, 422, 429)},
        dependencies=[permits(Action.QUERY)],
        summary="Follow the answer to a question (server-sent events)",
        tags=["query"],
    )
    async def answers(
        request: Request,
        sql: Annotated[str, Query(min_length=1, max_length=100_000)],
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
        at: LookAt = "newest",
    ) -> Response:
        async with AsyncExitStack() as stack:
            link = link_of(request.scope)
            following = feed.follow_query(sql, limit, at, link=link, comments=True)
            channel, reader = stack.enter_context(following)
            await channel.first()
            return EventStream(reader, stack.pop_all())

    _add_sockets(routes, feed)
    return routes


def _add_sockets(routes: APIRouter, feed: Feed) -> None:
    @routes.websocket("/v1/views/{view}/feed", dependencies=[permits(Action.READ)])
    async def socket(
        websocket: WebSocket,
        view: ViewName,
        limit: Limit = None,
        order: Order = None,
        at: LookAt = "newest",
    ) -> None:
        link = link_of(websocket.scope)
        try:
            following = feed.follow(view, order, limit, at, link=link)
            with following as reader:
                offered = websocket.scope.get("subprotocols", ())
                await websocket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
                await _talk(websocket, reader)
        except ProblemError as error:
            await websocket.send_denial_response(
                problem(error.status, error.detail, hint=error.hint, instance=websocket.url.path)
            )
        except MillstreamError as error:
            await websocket.send_denial_response(of_error(error, websocket.url.path))


class EventStream(Response):
    """The frames of one reader as server-sent events."""

    media_type = "text/event-stream"

    def __init__(self, reader: Reader, stack: AsyncExitStack) -> None:
        super().__init__(
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
            media_type=self.media_type,
        )
        del self.headers["content-length"]
        self._reader = reader
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reader, link = self._reader, link_of(scope)
        link.on_shutdown = reader.close
        async with self._stack:
            gone = asyncio.create_task(_until_gone(receive, reader))
            try:
                start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
                await send(start)
                while (frame := await reader.next()) is not None:
                    body = {"type": "http.response.body", "body": frame.event, "more_body": True}
                    await send(body)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                link.on_shutdown = None
                gone.cancel()
                with suppress(asyncio.CancelledError):
                    await gone


async def _until_gone(receive: Receive, reader: Reader) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    reader.close()


async def _talk(websocket: WebSocket, reader: Reader) -> None:
    """Send frames until one side ends; what a reader says is not listened to."""

    async def until_gone() -> None:
        with suppress(WebSocketDisconnect):
            while (await websocket.receive())["type"] != "websocket.disconnect":
                pass
        reader.close()

    gone = asyncio.create_task(until_gone())
    try:
        with suppress(WebSocketDisconnect):
            while (frame := await reader.next()) is not None:
                await websocket.send({"type": "websocket.send", "text": frame.text})
            if not gone.done():
                await websocket.close(1001)
    finally:
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone
