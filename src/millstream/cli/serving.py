"""What ``--ui`` asks for: the server beside the jobs of a command.

in      the options of a command; jobs as they start
out     a server with the dashboard, the API and the metrics, for as long as the command runs
bad     an address that is not HOST:PORT, or one that needs a token and TLS and has none
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from millstream.errors import OptionError
from millstream.events import about

if TYPE_CHECKING:
    from millstream.serve.hub import Hub

LOG = logging.getLogger("millstream")
ADDRESS = "127.0.0.1:8042"
TOKEN = "MILLSTREAM_TOKEN"  # noqa: S105 (the name of a variable, not a secret)
_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:.]+\]:|[A-Za-z0-9.-]+:)?\d{1,5}")
_MEANT = re.compile(r"\d{1,5}|[^/]*:[^/]*")
"""What follows ``--ui`` and is no file: an address, if perhaps a wrong one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A server, as the command line says it.

    alert_to  channels of the built-in health alerts: ``log``, ``webhook:URL`` …
    """

    address: str = ADDRESS
    token_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    alert_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    hub: Hub
    url: str


def with_address(arguments: Sequence[str]) -> list[str]:
    """Give ``--ui`` its usual address where none follows it; the parser takes no optional value.

    >>> with_address(["run", "--ui", "a.sql"])
    ['run', '--ui=127.0.0.1:8042', 'a.sql']
    >>> with_address(["run", "a.sql", "--ui", "localhost:9000"])
    ['run', 'a.sql', '--ui', 'localhost:9000']
    """
    found = list(arguments)
    for place, argument in enumerate(found):
        if argument == "--":
            break
        following = found[place + 1] if place + 1 < len(found) else ""
        if argument == "--ui" and not _MEANT.fullmatch(following):
            found[place] = f"--ui={ADDRESS}"
    return found


def wanted(
    address: str | None,
    token_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    alert_to: Sequence[str] | None,
) -> Wanted | None:
    """Return what the options of a command say; None where no server is asked for."""
    if address is not None:
        if not _ADDRESS.fullmatch(address):
            raise OptionError(f"'--ui {address}' is no HOST:PORT.", hint=f"For instance {ADDRESS}.")
        whole = address if ":" in address else f"127.0.0.1:{address}"
        return Wanted(whole, token_file, tls_cert, tls_key, tuple(alert_to or ()))
    given = {
        "--token-file": token_file, "--tls-cert": tls_cert, "--tls-key": tls_key,
        "--alert-to": alert_to,
    }  # fmt: skip
    for name, value in given.items():
        if value:
            raise OptionError(f"{name} is about the server.", hint="Add --ui.")
    return None


@contextmanager
def serving(
    asked: Wanted | None, *, quiet: bool = False, jobs_due: int = 1
) -> Iterator[Server | None]:
    """Serve while this lasts; None where no server is asked for. It is ready with its jobs."""
    if asked is None:
        yield None
        return
    from millstream.serve.health import Health
    from millstream.serve.hub import Hub
    from millstream.serve.metrics.asked import exporting_if_asked
    from millstream.serve.server import Serving

    hub = Hub(jobs_due=jobs_due)
    with Health(hub, asked.alert_to) as health, hub.looking(), exporting_if_asked(hub):
        server = Serving(
            hub,
            asked.address,
            token=_token(asked.token_file),
            tls_cert=asked.tls_cert,
            tls_key=asked.tls_key,
            health=health,
        )
        with server:
            if not quiet:
                print(f"dashboard: {server.url}", file=sys.stderr, flush=True)
            LOG.info("dashboard: %s", server.url, extra=about("serving", url=server.url))
            yield Server(hub, server.url)


def _token(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(TOKEN) or None
    try:
        found = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise OptionError(f"--token-file: '{file}' cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise OptionError(f"--token-file: '{file}' is no text.") from None
    if not found:
        raise OptionError(f"--token-file: '{file}' is empty.", hint="Write a token into it.")
    return found
