"""Lines from a TCP server, as a client.

delivery   at most once: a server does not send again what was lost with a connection or a crash
split      one, ``host:port``
bad row    the line goes to ``rejected`` with the byte it begins at
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millstream.connect.byte_stream import BLOCK_BYTES, LINE_BYTES_MAX, ByteStreamReader
from millstream.connect.chunks import decoded_again
from millstream.errors import ConnectorError, Domain, OptionError, Retry
from millstream.formats.lines import LineRules, line_rules
from millstream.ports.connector import Chunk, Connector, Delivery, Reader, Source, SourceSpec
from millstream.ports.format import Decoder
from millstream.ports.registry import decoder_for
from millstream.settings import option

if TYPE_CHECKING:
    import polars as pl

_BYTE_MAX = 255
_PORT_MAX = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketConfig:
    """The server, and what happens when it ends the connection."""

    hostname: str = option("hostname", "The server.")
    port: int = option("port", "The server's port.", kind="int")
    delimiter: int = option(
        "byte-delimiter",
        "The byte that ends a document (10 is a line end).",
        default=10,
        kind="int",
    )
    retries_max: int = option(
        "max-num-retries",
        "Connections tried again in a row after one was refused or closed; 0 = the stream ends "
        "with its connection, -1 = always.",
        default=3,
        kind="int",
    )
    retry_delay_ms: int = option(
        "delay-between-retries", "Time between two tries.", default=500, kind="duration_ms"
    )
    line_bytes_max: int = option(
        "line-bytes-max", "A longer document is rejected.", default=LINE_BYTES_MAX, kind="bytes"
    )
    connect_timeout_ms: int = option(
        "connect-timeout", "Longest wait for a connection.", default=10_000, kind="duration_ms"
    )


class SocketSource(Source):
    """One connection to one server."""

    delivery = Delivery.AT_MOST_ONCE

    def __init__(
        self, table: str, config: SocketConfig, decoder: Decoder, rules: LineRules
    ) -> None:
        self._config = config
        self._decoder = decoder
        self._rules = rules
        self._where = f"table '{table}', {config.hostname}:{config.port}"

    def splits(self) -> Sequence[str]:
        """There is one."""
        return (f"{self._config.hostname}:{self._config.port}",)

    def decode(self, documents: pl.DataFrame) -> Chunk:
        """Decode documents that were kept as bytes."""
        return decoded_again(self._decoder, documents, {})

    def open(self, split: str, *, resume: Any | None) -> Reader:
        """Connect; ``resume`` means nothing to a server that keeps nothing."""
        assert split in self.splits(), f"no split '{split}'"
        del resume
        return _SocketReader(self._config, self._decoder, self._rules, self._where)

    def test(self) -> None:
        """Connect and hang up."""
        _connected(self._config, self._where).close()


class _SocketReader(ByteStreamReader):
    def __init__(
        self, config: SocketConfig, decoder: Decoder, rules: LineRules, where: str
    ) -> None:
        super().__init__(decoder, rules, line_bytes_max=config.line_bytes_max)
        self._config = config
        self._where = where
        self._closed = threading.Event()
        self._retries = 0
        self._socket: socket.socket | None = self._first()

    def receive(self, timeout_s: float) -> bytes | None:
        """Return what the server sent; connect again where that is wanted."""
        if self._closed.is_set():
            return b""
        if self._socket is None:
            return self._again(timeout_s)
        try:
            readable, _, _ = select.select([self._socket], [], [], timeout_s)
            if not readable:
                return None
            block = self._socket.recv(BLOCK_BYTES)
        except (OSError, ValueError) as error:  # ValueError: closed by another thread
            if self._closed.is_set():
                return b""
            if not self._may_retry():
                raise self._broken(error) from None
            block = b""
        if block:
            self._retries = 0
            return block
        self._hang_up()
        return None if self._may_retry() else b""

    def close(self) -> None:
        """Hang up."""
        self._closed.set()
        self._hang_up()

    def _first(self) -> socket.socket:
        """Connect, trying again as often as is wanted: the server may still be starting."""
        while True:
            try:
                return _connected(self._config, self._where)
            except ConnectorError:
                if not self._may_retry():
                    raise
            self._retries += 1
            self._closed.wait(self._config.retry_delay_ms / 1000)

    def _again(self, timeout_s: float) -> bytes | None:
        """Try to connect once more, after the delay."""
        if self._closed.wait(min(timeout_s, self._config.retry_delay_ms / 1000)):
            return b""
        self._retries += 1
        try:
            self._socket = _connected(self._config, self._where)
        except ConnectorError:
            return None if self._may_retry() else b""  # it does not come back: the stream ends
        return None

    def _may_retry(self) -> bool:
        most = self._config.retries_max
        return most < 0 or self._retries < most

    def _hang_up(self) -> None:
        held, self._socket = self._socket, None
        if held is not None:
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
            held.close()

    def _broken(self, error: Exception) -> ConnectorError:
        return ConnectorError(
            f"The connection broke: {error}.",
            where=self._where,
            hint="Set 'max-num-retries' to connect again; what was sent in between is lost.",
            retry=Retry.LATER,
            domain=Domain.NETWORK,
        )


def _connected(config: SocketConfig, where: str) -> socket.socket:
    try:
        made = socket.create_connection(
            (config.hostname, config.port), timeout=config.connect_timeout_ms / 1000
        )
    except OSError as error:
        raise ConnectorError(
            f"No connection: {error.strerror or error}.",
            where=where,
            hint="Is the server running there? To try one: nc -lk PORT",
            retry=Retry.LATER,
            domain=Domain.NETWORK,
        ) from None
    made.settimeout(None)
    return made


def _source(spec: SourceSpec) -> SocketSource:
    where = f"table '{spec.table.name}'"
    config: SocketConfig = spec.config
    if not 0 <= config.delimiter <= _BYTE_MAX:
        raise OptionError(
            f"The option 'byte-delimiter' cannot be {config.delimiter}.",
            where=where,
            hint="It is one byte, 0 to 255.",
        )
    if not 0 < config.port <= _PORT_MAX:
        raise OptionError(
            f"The option 'port' cannot be {config.port}.", where=where, hint="1 to 65535."
        )
    rules = line_rules(spec.formats, where, newline=config.delimiter)
    decoder = decoder_for(spec.physical, spec.formats, owner=where, whole=spec.table.physical)
    return SocketSource(spec.table.name, config, decoder, rules)


CONNECTOR = Connector(
    name="socket",
    doc="Lines from a TCP server.",
    config=SocketConfig,
    source=_source,
    payload=True,
    reads=Delivery.AT_MOST_ONCE,
    guarantee="at most once: a TCP server sends nothing twice",
)
