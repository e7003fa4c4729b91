"""The one door to urllib3: GET requests by key, several at a time.

in      different keys
out     the rows of the JSON bodies
state   kept connections; threads, as many as requests may be under way
bad     ConnectorError with the address (never a header) and the status
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import msgspec
import numpy as np
import polars as pl

from millstream.columns.physical import polars_schema
from millstream.columns.text import text_of
from millstream.connect.http import HttpConfig
from millstream.errors import ConnectorError, Domain, MissingExtra, OptionError, Retry
from millstream.ports.format import Decoder
from millstream.ports.lookup import ASK, Lookup, LookupSpec
from millstream.ports.registry import decoder_for
from millstream.types import Schema

try:
    import urllib3
except ImportError:
    raise MissingExtra("urllib3", "http", where="connector 'http'") from None

NO_ROW = (204, 404, 410)
TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)
BACKOFF_S = 0.1
BACKOFF_MAX_S = 10.0


class HttpLookup(Lookup):
    """Asks a service, one request for each key."""

    retries_itself = True

    def __init__(self, spec: LookupSpec) -> None:
        config: HttpConfig = spec.config
        self._config = config
        self._keys, self._wanted = spec.keys, spec.wanted
        self._where = f"table '{spec.table.name}'"
        for name in config.columns:
            if name not in spec.keys.names:
                raise OptionError(
                    f"The address needs '{name}', which the join does not compare with anything.",
                    where=self._where,
                    hint=f"Add … = {spec.table.name}.{name} to its ON; it has: "
                    f"{', '.join(spec.keys.names)}.",
                )
        # Keys in the address are what was asked for; others are compared with the answer.
        self._compared = tuple(n for n in spec.keys.names if n not in config.columns)
        read = tuple(
            f
            for f in spec.table.physical
            if f.name in (*self._compared, *spec.wanted.names) and f.name not in config.columns
        )
        self._read = Schema(read)
        self._decoder = _json(self._read, self._where) if read else None
        self._pool = urllib3.PoolManager(
            maxsize=config.concurrency_max,
            block=True,
            headers={name: value.reveal() for name, value in config.headers.items()},
            timeout=urllib3.Timeout(total=config.timeout_ms / 1000),
            retries=urllib3.Retry(
                total=spec.options.retries_max,
                redirect=3,
                status_forcelist=TRY_AGAIN,
                allowed_methods=("GET",),
                backoff_factor=BACKOFF_S,
                backoff_max=BACKOFF_MAX_S,
                backoff_jitter=BACKOFF_S,
                raise_on_status=False,
            ),
        )
        self._threads = ThreadPoolExecutor(config.concurrency_max, thread_name_prefix="http")

    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Ask for each key; the answers of a question are decoded at once."""
        bodies = list(self._threads.map(self._get, self._addresses(keys)))
        documents: list[bytes] = []
        asked: list[int] = []
        for i, body in enumerate(bodies):
            rows = self._documents(body)
            documents += rows
            asked += [i] * len(rows)
        return self._rows(keys, documents, np.array(asked, dtype=np.int64))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pool.clear()

    def _addresses(self, keys: pl.DataFrame) -> list[str]:
        texts = keys.select(
            text_of(pl.col(n), self._keys.type_of(n)).alias(n) for n in self._config.columns
        )
        # A loop over the different keys: each becomes a request.
        return [
            self._config.url.format(**{n: quote(str(v), safe="") for n, v in row.items()})
            for row in texts.iter_rows(named=True)
        ]

    def _get(self, address: str) -> bytes:
        """Return the body of one answer, empty where there is no row."""
        try:
            response = self._pool.request("GET", address, preload_content=False)
            try:
                body = self._body(response)
            finally:
                response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise ConnectorError(
                f"The request failed: {_reason(error)}",
                where=address,
                hint="Check 'url', and that the service runs and answers within 'request.timeout'.",
                retry=Retry.LATER,
                domain=Domain.NETWORK,
            ) from None
        if response.status in NO_ROW:
            return b""
        if response.status != 200:
            raise ConnectorError(
                f"The service answered {response.status} {response.reason or ''}".rstrip() + ".",
                where=address,
                hint="See what the service says of this address; tokens go into 'header.*'.",
                retry=Retry.LATER if response.status in TRY_AGAIN else Retry.NEVER,
                domain=_domain(response.status),
            )
        if len(body) > self._config.response_bytes_max:
            raise ConnectorError(
                f"The answer is longer than {self._config.response_bytes_max} bytes.",
                where=address,
                hint="Raise 'response.bytes-max', or ask for less.",
                domain=Domain.LIMIT,
            )
        return body

    def _body(self, response: urllib3.BaseHTTPResponse) -> bytes:
        """Return the body, or a little more of it than is taken."""
        body = b""
        wanted = self._config.response_bytes_max + 1
        while len(body) < wanted and (part := response.read(wanted - len(body))):
            body += part
        return body

    def _documents(self, body: bytes) -> list[bytes]:
        start = body.lstrip()[:1]
        if not start:
            return []
        if start != b"[":
            return [body]
        try:
            return [bytes(part) for part in msgspec.json.decode(body, type=list[msgspec.Raw])]
        except msgspec.DecodeError as error:
            raise self._unreadable(str(error), body) from None

    def _rows(self, keys: pl.DataFrame, documents: list[bytes], asked: np.ndarray) -> pl.DataFrame:
        columns: dict[str, pl.Series] = {}
        if self._decoder is not None and documents:
            decoded = self._decoder.decode(pl.Series(documents, dtype=pl.Binary))
            if len(decoded.bad):
                raise self._unreadable(decoded.reasons[0], documents[int(decoded.bad[0])])
            columns = decoded.frame.to_dict()
        elif self._decoder is not None:
            columns = pl.DataFrame(schema=polars_schema(self._read)).to_dict()
        own = keys[asked]
        same = np.ones(asked.size, dtype=np.bool_)
        for name in self._compared:
            same &= (own[name] == columns[name]).fill_null(value=False).to_numpy()
        columns |= {name: own[name] for name in self._config.columns}
        found = pl.DataFrame(
            [pl.Series(ASK, asked, dtype=pl.Int64), *(columns[n] for n in self._wanted.names)]
        )
        return found.filter(pl.Series(same))

    def _unreadable(self, reason: str, body: bytes) -> ConnectorError:
        shown = body[:200].decode(errors="replace")
        return ConnectorError(
            f"The answer is no row of the table: {reason}. It begins with {shown!r}.",
            where=self._where,
            hint="Its columns must have the names of the JSON's members.",
            domain=Domain.DATA,
        )


def _domain(status: int) -> Domain:
    match status:
        case 401 | 403 | 407:
            return Domain.AUTH
        case 429:
            return Domain.LIMIT
        case _ if status >= 500:
            return Domain.SYSTEM
    return Domain.CONFIG


def _json(schema: Schema, where: str) -> Decoder:
    return decoder_for(schema, {"format": "json"}, owner=where)


def _reason(error: Exception) -> str:
    """Return what went wrong, without the client's own words around it."""
    inner = getattr(error, "reason", None)
    text = str(inner if isinstance(inner, Exception) else error)
    return text.rsplit(": ", 1)[-1].rstrip(".") + "."
