"""The one place that says who may do what: each route names its action, nothing is allowed unsaid.

in      a request, and the action its route names with :func:`permits`
out     nothing; a problem 401 or 403 (a WebSocket is closed) where it is not allowed
rights  with a token: whoever brings it may do everything, anybody may see the dashboard's pages
        and whether the server is alive. Without one: whoever is on this machine may do everything
token   header ``Authorization: Bearer TOKEN``; browsers, which cannot set it for a WebSocket, offer
        the subprotocols ``millstream`` and ``bearer.`` + the token in base64url without padding
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
from dataclasses import dataclass
from enum import Enum
from typing import Any

from fastapi import Depends, WebSocketException
from starlette.requests import HTTPConnection  # noqa: TC002 (FastAPI reads it)

from millstream.serve.problems import ProblemError

PROTOCOL, PROTOCOL_TOKEN = "millstream", "bearer."
_POLICY_VIOLATION = 1008


class Action(Enum):
    """What a route does, as far as rights go."""

    OPEN = "open"
    """The dashboard's own files, whether the server is alive, the description of the API."""
    READ = "read"
    QUERY = "query"
    CONTROL = "control"
    REPLAY = "replay"
    SILENCE = "silence"
    INGEST = "ingest"
    METRICS = "metrics"


class Verdict(Enum):
    """What is said to a request."""

    YES = "yes"
    WHO = "who are you"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Rights:
    """Who may do what on one server."""

    token: str | None = None

    def verdict(self, action: Action, *, given: str | None, client: str | None) -> Verdict:
        """Judge a request by the token it brought and the machine it comes from (None: this one).

        >>> Rights("s3cret").verdict(Action.READ, given="s3cret", client="10.0.0.7")
        <Verdict.YES: 'yes'>
        >>> Rights().verdict(Action.READ, given=None, client="10.0.0.7")
        <Verdict.NO: 'no'>
        """
        if action is Action.OPEN:
            return Verdict.YES
        if self.token is None:
            return Verdict.YES if client is None or is_loopback(client) else Verdict.NO
        if given is None:
            return Verdict.WHO
        same = hmac.compare_digest(given.encode(errors="replace"), self.token.encode())
        return Verdict.YES if same else Verdict.WHO


def permit(connection: HTTPConnection, action: Action) -> None:
    """Let a request pass, or raise what it is answered with."""
    rights: Rights = connection.app.state.rights
    client = None if connection.client is None else connection.client.host
    verdict = rights.verdict(action, given=_token_of(connection), client=client)
    if verdict is Verdict.YES:
        return
    refusal = ProblemError(
        403,
        "Without a token this server answers its own machine only.",
        hint="Start it with --token-file, --tls-cert and --tls-key.",
    )
    if verdict is Verdict.WHO:
        refusal = ProblemError(
            401,
            "A token is needed, or the one given is not right.",
            hint="Send the header 'Authorization: Bearer TOKEN'.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if connection.scope["type"] == "websocket":
        raise WebSocketException(_POLICY_VIOLATION, refusal.detail)
    raise refusal


@dataclass(frozen=True, slots=True)
class Permitted:
    """The dependency of a route that asks for its action to be allowed."""

    action: Action

    async def __call__(self, connection: HTTPConnection) -> None:
        permit(connection, self.action)


def permits(action: Action) -> Any:
    """Return a route's dependency: ``dependencies=[permits(Action.READ)]``."""
    return Depends(Permitted(action))


def action_of(route: Any) -> Action | None:
    """Return the action that a route names; None: it names none, which no route may."""
    dependant = getattr(route, "dependant", None)
    for found in () if dependant is None else dependant.dependencies:
        if isinstance(found.call, Permitted):
            return found.call.action
    return None


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("a.b")
    (True, True, True, False)
    """
    if host.lower() in ("localhost", "localhost."):
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _token_of(connection: HTTPConnection) -> str | None:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if connection.scope["type"] != "websocket":
        return None
    for offered in connection.scope.get("subprotocols", ()):
        if offered.startswith(PROTOCOL_TOKEN):
            text = offered.removeprefix(PROTOCOL_TOKEN)
            try:
                return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
            except ValueError:  # no base64, or no text
                return None
    return None
