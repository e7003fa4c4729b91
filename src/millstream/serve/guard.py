"""What every request passes before the application sees it, and every answer on its way out.

host     a server of this machine only answers to names of this machine: a page of another site
         cannot reach it under a name that was made to point here (DNS rebinding)
origin   what changes something, and every WebSocket, must not come from a page of another site
limits   bytes of a body and of all bodies at a time, seconds of a request, streams (events,
         WebSockets) at a time; how many connections: :mod:`millstream.serve.connection`
headers  a page may load nothing from elsewhere, run no inline script, and stand in no frame
bad      problem+json; what nobody foresaw is logged and answered with a 500 that tells nothing
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException

from millstream.serve.permit import is_loopback
from millstream.serve.problems import LOG, problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
DRAIN_BYTES_MAX = 32 << 20
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_STREAM = "text/event-stream"
_TRY_AGAIN_LATER, _POLICY_VIOLATION = 1013, 1008


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server takes.

    bodies_bytes_max  of all requests that are under way
    request_s    a request that is no stream; savepoints and starting again have ``long_s``
    streams_max  readers of events and WebSockets at a time
    """

    body_bytes_max: int = 1 << 20
    events_bytes_max: int = 16 << 20
    bodies_bytes_max: int = 256 << 20
    request_s: float = 30.0
    long_s: float = 600.0
    streams_max: int = 1_000


LIMITS = Limits()
LONG = ("/savepoint", "/resume")


class _TooManyStreamsError(Exception):
    pass


class Guard:
    """The application as the world sees it."""

    def __init__(self, app: ASGIApp, *, local: bool, limits: Limits = LIMITS) -> None:
        self._app = app
        self._local = local
        self._limits = limits
        self.streams = 0
        self.bodies_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = _Call(self, scope, receive, send)
        refused = self._refusal(scope)
        if refused is not None:
            await problem(*refused)(scope, receive, call.send)
            return
        path: str = scope["path"]
        is_long = path.startswith("/v1/jobs/") and path.endswith(LONG)
        limit_s = self._limits.long_s if is_long else self._limits.request_s
        try:
            async with asyncio.timeout(limit_s) as call.deadline:
                await self._app(scope, call.receive, call.send)
        except TimeoutError:
            await call.instead(503, f"It took longer than {limit_s:g} s.")
        except asyncio.CancelledError:  # the server ends and has waited long enough
            if not call.began:
                await call.instead(503, "The server is ending.")
        except _TooManyStreamsError:
            await call.instead(429, "There are too many live streams.", hint="Close some pages.")
        except Exception:  # noqa: BLE001 (told in the log)
            LOG.exception("%s %s failed", scope["method"], path)
            await call.instead(500, "The server made a mistake; its log says more.")
        finally:
            call.end()

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._refusal(scope)
        if refused is not None or self.streams >= self._limits.streams_max:
            await receive()
            code = _TRY_AGAIN_LATER if refused is None else _POLICY_VIOLATION
            await send({"type": "websocket.close", "code": code, "reason": ""})
            return
        self.streams += 1
        try:
            await self._app(scope, receive, send)
        except Exception:  # noqa: BLE001 (told in the log)
            LOG.exception("WebSocket %s failed", scope["path"])
        finally:
            self.streams -= 1

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return why a request is not for us, or not from one of our own pages."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not (host := _host(hosts[0])):
            return 400, "The header Host is missing, or no host."
        if self._local and not is_loopback(host):
            return 421, f"This server is not called '{host}'."
        safe = scope["type"] == "http" and scope["method"] in _SAFE
        site = headers.get("sec-fetch-site", "none")
        if site in ("cross-site", "same-site") and headers.get("sec-fetch-mode") != "navigate":
            return 403, "Pages of other sites may not ask this server."
        origin = headers.get("origin")
        if origin is not None and not safe and not _is_same(origin, hosts[0]):
            return 403, "Pages of other sites may not change anything here."
        return None


class _Call:
    """One request on its way."""

    def __init__(self, guard: Guard, scope: Scope, receive: Receive, send: Send) -> None:
        self._guard, self._scope, self._receive, self._send = guard, scope, receive, send
        self.deadline: asyncio.Timeout | None = None
        limits = guard._limits
        is_events = scope["path"].startswith("/v1/events/")
        self.bytes_max = limits.events_bytes_max if is_events else limits.body_bytes_max
        self._bytes = self._held = 0
        self.began = self._is_stream = False
        length = Headers(scope=scope).get("content-length", "")
        self._declared = int(length) if length.isdecimal() and len(length) < 20 else 0

    async def receive(self) -> Message:
        if self._declared <= self.bytes_max:
            message = await self._receive()
            size = len(message.get("body", b""))
            self._bytes += size
            if self._bytes <= self.bytes_max:
                self._hold(size)
                return message
            more = message.get("more_body", False)
        else:
            more = True
        # Who still sends does not listen: the rest is let go, if it is not endless.
        while more and self._bytes <= self.bytes_max + DRAIN_BYTES_MAX:
            message = await self._receive()
            self._bytes += len(message.get("body", b""))
            more = message.get("more_body", False)
        raise _too_large()

    def _hold(self, size: int) -> None:
        """Count what is kept of bodies: many that are allowed one by one fill the memory too."""
        self._held += size
        self._guard.bodies_bytes += size
        if self._guard.bodies_bytes > self._guard._limits.bodies_bytes_max:
            detail = "There are too many large requests at a time."
            raise HTTPException(503, detail, headers={"Connection": "close"})

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if headers.get("content-type", "").startswith(_STREAM):
                self._begin_stream()
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if self._scope["path"].startswith("/v1/"):
                headers.setdefault("Cache-Control", "no-store")
            self.began = True
        await self._send(message)

    def _begin_stream(self) -> None:
        limits = self._guard._limits
        if self._guard.streams >= limits.streams_max:
            raise _TooManyStreamsError
        self._guard.streams += 1
        self._is_stream = True
        assert self.deadline is not None, "a request is under way"
        self.deadline.reschedule(None)

    async def instead(self, status: int, detail: str, *, hint: str | None = None) -> None:
        """Answer with a problem, unless an answer has begun: then the connection is cut."""
        if self.began:
            raise ConnectionAbortedError(detail)
        said = problem(status, detail, hint=hint, instance=self._scope["path"])
        await said(self._scope, self._receive, self.send)

    def end(self) -> None:
        self._guard.bodies_bytes -= self._held
        if self._is_stream:
            self._guard.streams -= 1


def _too_large() -> HTTPException:
    # An error of the framework's own kind is the only one that it lets through while it reads.
    return HTTPException(413, headers={"Connection": "close"})


def _host(header: str) -> str:
    """Return the host of a Host header without its port; nothing where it is none."""
    if any(c in header for c in "/\\@?# ,"):
        return ""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _is_same(origin: str, host: str) -> bool:
    """Tell whether a page's origin is this server."""
    try:
        parts: Any = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
