"""A text stream from a TCP server, one document a line.

delivery   at most once: what the server sent while nobody listened is gone
split      one, ``hostname:port``; it ends when the server has closed and does not come back
bad row    the line's bytes go to ``rejected`` with its number (from 0) and the reason
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millstream.connect.lines import (
    LINE_BYTES_MAX,
    READ_BYTES,
    LineCutter,
    LineReader,
    no_way_back,
)
from millstream.errors import ConnectorError, OptionError
from millstream.ports.connector import Connector, Delivery, Reader, Source, SourceSpec
from millstream.ports.registry import decoder_for
from millstream.settings import option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millstream.ports.format import Decoder

CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketConfig:
    """Which server, and how patient we are with it."""

    hostname: str = option("hostname", "Name or address of the server.")
    port: int = option("port", "Its port.", kind="int")
    byte_delimiter: int = option(
        "byte-delimiter", "Code of the byte that ends a document; 10 is LF.", default=10, kind="int"
    )
    retries_max: int = option(
        "max-num-retries",
        "Connections tried again after one was refused or closed.",
        default=3,
        kind="int",
    )
    retry_delay_ms: int = option(
        "delay-between-retries", "Time between two tries.", default=500, kind="duration_ms"
    )
    line_bytes_max: int = option(
        "line-bytes-max", "A longer document is rejected.", default=LINE_BYTES_MAX, kind="bytes"
    )


class SocketSource(Source):
    """Connects when its split is opened."""

    delivery = Delivery.AT_MOST_ONCE

    def __init__(self, decoder: Decoder, config: SocketConfig, where: str) -> None:
        self._decoder = decoder
        self._config = config
        self._where = where
        self._split = f"{config.hostname}:{config.port}"

    def splits(self) -> Sequence[str]:
        """There is one."""
        return (self._split,)

    def open(self, split: str, *, resume: Any | None) -> Reader:
        """Connect; the server says where its stream begins."""
        assert split == self._split, f"this socket has no split '{split}'"
        no_way_back(resume)
        return _SocketReader(self._decoder, self._config, self._where)

    def test(self) -> None:
        """Connect once."""
        _connected(self._config, self._where).close()


class _SocketReader(LineReader):
    def __init__(self, decoder: Decoder, config: SocketConfig, where: str) -> None:
        delimiter = bytes([config.byte_delimiter])
        super().__init__(decoder, LineCutter(delimiter, bytes_max=config.line_bytes_max))
        self._config = config
        self._where = where
        self._tries_left = config.retries_max
        self._retry_at_s: float | None = None
        self._socket: socket.socket | None = self._first()

    def read(self, timeout_s: float) -> bytes | None:
        if self._socket is None:
            return self._again(timeout_s)
        try:
            self._socket.settimeout(max(timeout_s, 0.001))
            piece = self._socket.recv(READ_BYTES)
        except TimeoutError:
            return None
        except OSError:
            piece = b""
        if piece:
            self._tries_left = self._config.retries_max
            return piece
        self.close()
        if not self._tries_left:
            return b""
        self._retry_at_s = time.monotonic() + self._config.retry_delay_ms / 1000
        return None

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _first(self) -> socket.socket:
        while True:
            try:
                return _connected(self._config, self._where)
            except ConnectorError:
                if not self._tries_left:
                    raise
            self._tries_left -= 1
            time.sleep(self._config.retry_delay_ms / 1000)

    def _again(self, timeout_s: float) -> bytes | None:
        """Try to connect anew when it is time to; the end where every try has failed."""
        assert self._retry_at_s is not None, "a lost connection has a time to try again"
        now_s = time.monotonic()
        if now_s < self._retry_at_s:
            time.sleep(min(timeout_s, self._retry_at_s - now_s))
            return None
        self._tries_left -= 1
        try:
            self._socket = _connected(self._config, self._where)
        except ConnectorError:
            if not self._tries_left:
                return b""
            self._retry_at_s = now_s + self._config.retry_delay_ms / 1000
        return None


def _connected(config: SocketConfig, where: str) -> socket.socket:
    try:
        return socket.create_connection((config.hostname, config.port), timeout=CONNECT_TIMEOUT_S)
    except OSError as error:
        raise ConnectorError(
            f"No connection to {config.hostname}:{config.port}: {error.strerror or error}.",
            where=where,
            hint="Start the server (for instance `nc -lk 9999`) or mend 'hostname' and 'port'.",
        ) from None


def _source(spec: SourceSpec) -> Source:
    where = f"table '{spec.table.name}'"
    if not 0 <= spec.config.byte_delimiter <= 255:
        raise OptionError(
            f"The option 'byte-delimiter' cannot be {spec.config.byte_delimiter}.",
            where=where,
            hint="It is the code of one byte, 0 to 255; 10 is LF.",
        )
    decoder = decoder_for(spec.physical, spec.formats, owner=where)
    return SocketSource(decoder, spec.config, where)


CONNECTOR = Connector(
    name="socket",
    doc="A text stream from a TCP server.",
    config=SocketConfig,
    source=_source,
    payload=True,
    guarantee="at most once: what is sent while nobody listens is gone",
)
