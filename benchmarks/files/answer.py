"""What every child of this section shares: the hash of an answer, and the last line it prints.

in      rows as tuples of Python values
out     how many there are, and a hash that does not depend on their order
note    imported by the peers' own interpreters: standard library only
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any


def line(row: Iterable[Any]) -> str:
    """Return a row as one line, the same as the Java program writes it."""
    return "\x01".join(map(_cell, row))


def digest(lines: Iterable[str]) -> tuple[int, str]:
    """Return the number of rows and their hash in sorted order."""
    ordered = sorted(lines)
    return len(ordered), hashlib.sha256("\n".join(ordered).encode()).hexdigest()[:16]


def tell(seconds: float, events: int, answer: tuple[int, str], **notes: object) -> None:
    """Print what the harness reads."""
    rows, checksum = answer
    said = {
        "seconds": seconds,
        "events": events,
        "rows": rows,
        "checksum": checksum,
        "notes": notes,
    }
    print(json.dumps(said), flush=True)


def _cell(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="milliseconds")
    return format(value, "f") if isinstance(value, Decimal) else str(value)
