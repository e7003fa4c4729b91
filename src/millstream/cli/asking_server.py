"""Asks a running server over its REST interface: the one client of the command line.

in      an address: ``HOST:PORT``, ``http://…`` or ``https://…``; a path and what to send
out     the JSON of the answer
bad     ConnectorError: nothing answers there (how to start a server), or the server refused (its
        own words, from problem+json)
token   of ``MILLSTREAM_TOKEN``, if it is set: servers beyond this machine want one
limit   every call has a time limit; an answer is read whole, up to ``ANSWER_BYTES_MAX``
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from millstream.errors import ConnectorError, Domain, OptionError, Retry

ADDRESS = "127.0.0.1:8042"
TOKEN = "MILLSTREAM_TOKEN"  # noqa: S105 (the name of a variable)
TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 256 << 20
_PORT, _PORT_TLS = 8042, 443


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server is, and how long it may take to answer."""

    host: str
    port: int
    tls: bool = False
    timeout_s: float = TIMEOUT_S

    @classmethod
    def at(cls, address: str | None, timeout_s: float = TIMEOUT_S) -> Server:
        """Return the server at an address; without one, the one on this machine."""
        said = (address or ADDRESS).strip()
        parts = urlsplit(said if "://" in said else f"http://{said}")
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if parts.scheme not in ("http", "https") or not host or parts.path.strip("/"):
            raise OptionError(
                f"'{said}' is not the address of a server.", hint=f"Write HOST:PORT, as {ADDRESS}."
            )
        tls = parts.scheme == "https"
        return cls(host, port or (_PORT_TLS if tls else _PORT), tls, timeout_s)

    @property
    def address(self) -> str:
        """The address as people write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}" if self.tls else f"{host}:{self.port}"

    def get(self, *path: str, **query: Any) -> Any:
        """Return what the server has under a path; its parts are quoted here."""
        asked = {name: value for name, value in query.items() if value is not None}
        return self._ask("GET", _path(path) + (f"?{urlencode(asked)}" if asked else ""), None)

    def post(self, *path: str, body: Any = None) -> Any:
        """Send a value under a path and return the answer."""
        return self._ask("POST", _path(path), {} if body is None else body)

    def _ask(self, method: str, path: str, body: Any) -> Any:
        headers = {"Accept": "application/json"}
        sent = None
        if body is not None:
            sent = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        if token := os.environ.get(TOKEN):
            headers["Authorization"] = f"Bearer {token}"
        connection = self._connection()
        try:
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            said = answer.read(ANSWER_BYTES_MAX + 1)
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(error) from error
        finally:
            connection.close()
        if len(said) > ANSWER_BYTES_MAX:
            raise ConnectorError(
                f"The answer of {self.address} is too long.",
                hint="Ask for less.",
                domain=Domain.LIMIT,
            )
        if answer.status >= 400:
            raise self._refused(answer.status, said)
        try:
            return json.loads(said) if said else None
        except ValueError as error:
            raise self._silent(error) from error

    def _connection(self) -> http.client.HTTPConnection:
        if self.tls:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                self.host, self.port, timeout=self.timeout_s, context=context
            )
        return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s)

    def _silent(self, error: Exception) -> ConnectorError:
        if isinstance(error, TimeoutError):
            reason = "it did not answer in time"
        else:
            reason = getattr(error, "strerror", None) or str(error)
        return ConnectorError(
            f"No Millstream server answers at {self.address}: {reason or type(error).__name__}.",
            hint="Start one with: millstream run FILE --ui",
            domain=Domain.NETWORK,
            retry=Retry.LATER,
        )

    def _refused(self, status: int, said: bytes) -> ConnectorError:
        try:
            problem = json.loads(said)
        except ValueError:
            problem = None
        if not isinstance(problem, dict):
            problem = {}
        detail = problem.get("detail") or problem.get("title") or f"status {status}"
        hint = problem.get("hint")
        shut_out = status in (401, 403)
        if hint is None and shut_out:
            hint = f"Set {TOKEN} to the token of the server."
        domain = Domain.AUTH if shut_out else Domain.CONFIG if status < 500 else Domain.SYSTEM
        return ConnectorError(str(detail), where=self.address, hint=hint, domain=domain)


def _path(parts: tuple[str, ...]) -> str:
    return "/" + "/".join(quote(part, safe="") for part in parts)
