"""A service that answers over HTTP: looked up by key, one GET request for each.

extra      http
answer     JSON: an object is one row, an array one row for each of its elements; 404, 410, 204 and
           an empty body are no row. Key columns are what was asked for
limits     ``max-concurrency`` requests at a time, a time-out for each, ``response.bytes-max``
bad        408, 425, 429, 5xx and lost connections are tried again ``lookup.max-retries`` times with
           growing pauses (or as Retry-After says); any other status, and a body that is no JSON of
           the declared columns, stop the pipeline
rooms      ``http_client`` is the one door to urllib3
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from millstream.errors import OptionError
from millstream.ports.connector import Connector
from millstream.ports.options import Secret
from millstream.settings import option

if TYPE_CHECKING:
    from millstream.ports.lookup import Lookup, LookupSpec

_EXAMPLE = "Write http://host/users/{id}, with a key column in braces."


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """Options of the connector 'http'."""

    url: str = option(
        "url",
        "Address with key columns in braces, as in http://host/users/{id}?region={region}. A key "
        "that is not in it is compared with the answer.",
    )
    headers: dict[str, Any] = option(
        "header.*", "Headers of each request: 'header.Authorization' = 'Bearer …'.", default={}
    )
    timeout_ms: int = option(
        "request.timeout", "How long one request may take.", default=10_000, kind="duration_ms"
    )
    concurrency_max: int = option(
        "max-concurrency", "Most requests at a time.", default=16, kind="int"
    )
    response_bytes_max: int = option(
        "response.bytes-max", "Longest answer that is taken.", default=8 << 20, kind="bytes"
    )

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OptionError("The address is none of HTTP.", where="option 'url'", hint=_EXAMPLE)
        if "{" in parts.netloc:
            raise OptionError(
                "The host of the address cannot depend on a row.",
                where="option 'url'",
                hint=_EXAMPLE,
            )
        if self.concurrency_max < 1 or self.timeout_ms < 1:
            raise OptionError("'max-concurrency' and 'request.timeout' must be 1 or more.")
        _ = self.columns
        # Headers carry tokens: no repr and no message shows one.
        hidden = {
            name: value if isinstance(value, Secret) else Secret(str(value))
            for name, value in self.headers.items()
        }
        object.__setattr__(self, "headers", hidden)

    @property
    def columns(self) -> tuple[str, ...]:
        """The key columns in the address."""
        try:
            parts = [part[1:] for part in string.Formatter().parse(self.url)]
        except ValueError as error:
            raise OptionError(
                f"The braces in the address: {error}.", where="option 'url'", hint=_EXAMPLE
            ) from None
        found = [name for name, _, _ in parts if name is not None]
        plain = all(not spec and not conversion for _, spec, conversion in parts)
        if not plain or not all(name.isidentifier() for name in found):
            raise OptionError(
                "Braces in the address hold the name of one key column.",
                where="option 'url'",
                hint=_EXAMPLE,
            )
        return tuple(dict.fromkeys(found))


def _lookup(spec: LookupSpec) -> Lookup:
    from millstream.connect.http_client import HttpLookup

    return HttpLookup(spec)


CONNECTOR = Connector(
    name="http",
    doc="A service that answers JSON over HTTP: asked by key, one request for each.",
    config=HttpConfig,
    extra="http",
    lookup=_lookup,
    guarantee="none is needed: it is only asked",
)
