"""Pages of long lists: a cursor says where the next one begins, and is opaque to its reader.

in      a cursor as it was given out, or None for the first page
out     the values in it; the cursor for what is behind a page
bad     a problem 422 for a text that is no cursor of this list
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Any

from fastapi import Query

from millstream.serve.problems import ProblemError

LIMIT, LIMIT_MAX = 100, 1_000
CURSOR_MAX = 512

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Most items of the page.")]
Cursor = Annotated[
    str | None,
    Query(max_length=CURSOR_MAX, description="``next`` of the page before; none = the first."),
]


def cursor_of(kind: str, *values: int | str) -> str:
    """Return a cursor.

    >>> read_cursor("rows", cursor_of("rows", 7), int)
    [7]
    """
    text = json.dumps([kind, *values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(kind: str, cursor: str, *types: type) -> list[Any]:
    """Return the values of a cursor of this kind of list."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        said = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        said = None
    fits = (
        isinstance(said, list)
        and len(said) == len(types) + 1
        and said[0] == kind
        and all(type(v) is t for v, t in zip(said[1:], types, strict=True))
    )
    if not fits or any(type(v) is int and not 0 <= v < 2**62 for v in said[1:]):
        raise ProblemError(
            422, "query cursor: it is none of this list.", hint="Give 'next' of the page before."
        )
    found: list[Any] = said[1:]
    return found
