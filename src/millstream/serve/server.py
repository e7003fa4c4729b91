"""Serves a hub over HTTP, in a thread of its own with an event loop of its own.

in      a hub, an address ``HOST:PORT`` (port 0: any free one), a token, a certificate with its key
out     ``url``; it serves from ``__enter__`` to ``__exit__``, which closes live streams and returns
        within seconds
law     without a token and TLS it is reached from this machine only: another address is refused
bad     OptionError for an address, a certificate or a port that cannot be used, with what to do
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Self

from millstream.errors import MissingExtra, OptionError
from millstream.serve.hub import Hub

if TYPE_CHECKING:
    import uvicorn

    from millstream.serve.health import Health

ADDRESS = "127.0.0.1:8042"
PORT_MAX = 65_535
BACKLOG = 512
START_S, END_S = 20.0, 10.0
GRACE_S = 1
"""So long requests under way have to finish when the server ends."""
HEAD_BYTES_MAX = 1 << 17
"""Of a request's first line and its headers."""
MESSAGE_BYTES_MAX = 1 << 16
"""Of what a WebSocket's reader sends us."""


class Serving:
    """A server for as long as a ``with`` block lasts."""

    def __init__(
        self,
        hub: Hub,
        address: str = ADDRESS,
        token: str | None = None,
        tls_cert: str | os.PathLike[str] | None = None,
        tls_key: str | os.PathLike[str] | None = None,
        health: Health | None = None,
    ) -> None:
        self._hub, self._health = hub, health
        self.host, self._port = host_and_port(address)
        self._token = _usable(token)
        self._tls = _tls(tls_cert, tls_key)
        self._local = _is_local(self.host)
        if not self._local and (self._token is None or self._tls is None):
            missing = [
                what
                for what, there in (("a token", self._token), ("a certificate", self._tls))
                if there is None
            ]
            raise OptionError(
                f"The address {address} can be reached from other machines, which needs "
                f"{' and '.join(missing)}.",
                hint="Give --token-file (or MILLSTREAM_TOKEN), --tls-cert and --tls-key, or serve "
                "on 127.0.0.1 behind a proxy or an SSH tunnel.",
            )
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    @property
    def url(self) -> str:
        """Where it is; with the port that was chosen once it serves."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self._tls is None else 'https'}://{host}:{self._port}"

    def __enter__(self) -> Self:
        try:
            import uvicorn

            from millstream.serve.app import app_of
            from millstream.serve.connection import Connection
        except ImportError as error:
            if error.name is None or error.name.startswith("millstream"):
                raise
            raise MissingExtra(error.name, "all") from None
        listener = self._bound()
        self._port = listener.getsockname()[1]
        app = app_of(self._hub, token=self._token, health=self._health, local=self._local)
        config = uvicorn.Config(
            app,
            http=Connection,
            ws_max_size=MESSAGE_BYTES_MAX,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=HEAD_BYTES_MAX,
            timeout_graceful_shutdown=GRACE_S,
            ssl_context_factory=None if self._tls is None else self._context,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._run, args=(self._server, listener), name="millstream-serve", daemon=True
        )
        self._thread.start()
        self._wait_for_start(self._server, self._thread)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server and what it streams; may be called twice."""
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is None or thread is None:
            return
        server.should_exit = True
        thread.join(END_S)
        if thread.is_alive():
            server.force_exit = True
            thread.join(END_S)

    def _run(self, server: uvicorn.Server, listener: socket.socket) -> None:
        try:
            server.run(sockets=[listener])
        except BaseException as error:  # noqa: BLE001 (told by whoever waits for the start)
            self._failure = error
        finally:
            listener.close()

    def _wait_for_start(self, server: uvicorn.Server, thread: threading.Thread) -> None:
        ends_s = time.monotonic() + START_S
        while not server.started:
            if not thread.is_alive() or time.monotonic() > ends_s:
                self.close()
                raise OptionError(
                    f"The server did not start: {self._failure or 'no answer'}.",
                    where=self.url,
                    hint="Its log says more.",
                )
            thread.join(0.005)

    def _context(self, _: object, __: object) -> ssl.SSLContext:
        assert self._tls is not None, "asked for with a certificate"
        return self._tls

    def _bound(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        host = "127.0.0.1" if self.host == "localhost" else self.host
        try:
            return socket.create_server((host, self._port), family=family, backlog=BACKLOG)
        except (OSError, UnicodeError) as error:  # the latter: 'a..b' is the name of no machine
            said = getattr(error, "strerror", None) or error
            raise OptionError(
                f"The server cannot listen on {self.host}:{self._port}: {said}.",
                hint=_HINTS.get(
                    getattr(error, "errno", None) or 0, "Give another address, as 127.0.0.1:8043."
                ),
            ) from None


_HINTS = {
    errno.EADDRINUSE: "Somebody serves there already: give another port, or 0 for any free one.",
    errno.EACCES: "Ports below 1024 are for root: give a higher one.",
    errno.EADDRNOTAVAIL: "This machine has no such address; 0.0.0.0 is all it has.",
}


def host_and_port(address: str) -> tuple[str, int]:
    """Return the parts of ``HOST:PORT``.

    >>> host_and_port("127.0.0.1:8042"), host_and_port("[::1]:0")
    (('127.0.0.1', 8042), ('::1', 0))
    """
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdecimal()) or int(port) > PORT_MAX:
        raise OptionError(f"'{address}' is no HOST:PORT.", hint=f"For instance {ADDRESS}.")
    return host, int(port)


def _is_local(host: str) -> bool:
    """Tell whether an address is reached from this machine only."""
    import ipaddress

    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _usable(token: str | None) -> str | None:
    """Return a token, or None for none; raises OptionError for one that nobody could send."""
    found = (token or "").strip()
    if found and not (found.isascii() and found.isprintable()):
        raise OptionError(
            "The token holds characters that no header carries.",
            hint="Make another one, for instance by 'openssl rand -hex 32'.",
        )
    return found or None


def _tls(
    cert: str | os.PathLike[str] | None, key: str | os.PathLike[str] | None
) -> ssl.SSLContext | None:
    """Return what encrypts, or None; raises OptionError for files that cannot be used."""
    if cert is None and key is None:
        return None
    if cert is None:
        raise OptionError("There is a key but no certificate.", hint="Give --tls-cert as well.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key, password=lambda: "")
    except (OSError, ssl.SSLError) as error:
        raise OptionError(
            f"The certificate cannot be used: {error.strerror or error}.",
            where=os.fspath(cert),
            hint="Both files are PEM; the key, without a passphrase, belongs to the certificate.",
        ) from None
    return context
