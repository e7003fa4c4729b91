"""Every error a user can meet: what happened, where, and what to do next.

The tree::

    MillstreamError
    ├── PlanError                 the text or the program is wrong; nothing has run
    │   ├── SqlError              a place in a SQL text (line, column, the text marked)
    │   │   └── Unsupported       valid SQL that this version cannot run
    │   ├── UnknownName           a column, function, table, option … that does not exist
    │   ├── TypeMismatch          an expression whose types do not fit
    │   ├── OptionError           a connector, format or setting option that is wrong
    │   └── GapError              a declared gap of the chosen engine
    ├── MissingExtra              an optional dependency is not installed
    ├── ConnectorError            the outside world: unreachable, refused, unreadable
    ├── DataError                 a row that cannot be used, where the policy is ``fail``
    ├── CheckpointError           a checkpoint that cannot be written, read or continued
    └── JobError                  a pipeline that stopped; carries its cause
        └── MemoryLimit           it needs more memory than it may have

A message has up to three parts: the fact, the place, and the next step (``hint``).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


NAMES_SHOWN_MAX = 24
"""A longer list of names helps nobody; it is counted instead."""


class Retry(Enum):
    """What may be done after a connector error: LATER = a restart can mend it."""

    NEVER = "never"
    LATER = "later"


class Domain(Enum):
    """What kind of trouble the outside world has, for people, metrics and alerts."""

    NETWORK = "network"
    """Unreachable, reset, timed out."""
    AUTH = "auth"
    """Who we are was refused, or what we may do."""
    CONFIG = "config"
    """A topic, table or file that is missing or does not fit."""
    DATA = "data"
    """Something sent or received that cannot be used."""
    LIMIT = "limit"
    """Full or throttled: a disk, a quota, a rate."""
    FENCED = "fenced"
    """Another start of this pipeline has taken over."""
    SYSTEM = "system"
    """Anything else the other side or the machine did."""


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a text the user wrote; ``line`` and ``column`` count from 1."""

    text: str
    line: int
    column: int
    length: int = 1
    file: str | None = None

    @classmethod
    def of_offset(cls, text: str, offset: int, length: int = 1, file: str | None = None) -> Place:
        """Return the place of a character offset of ``text``."""
        before = text[:offset]
        return cls(
            text, before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1, length, file
        )

    def marked(self) -> str:
        """Return the line with the place underlined, ready to print."""
        lines = self.text.splitlines() or [""]
        line = lines[min(self.line, len(lines)) - 1]
        where = f"{self.file or 'line'}:{self.line}" if self.file else f"line {self.line}"
        number = str(self.line)
        width = max(1, min(self.length, max(1, len(line) - self.column + 1)))
        pad = "".join("\t" if c == "\t" else " " for c in line[: self.column - 1])
        return (
            f"{where}, column {self.column}\n"
            f"  {number} | {line}\n"
            f"  {' ' * len(number)} | {pad}{'^' * width}"
        )


class MillstreamError(Exception):
    """The root of every error of this package."""

    def __init__(self, fact: str, *, where: str | Place | None = None, hint: str | None = None):
        super().__init__(fact)
        self.fact = fact
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        parts = [self.fact]
        if isinstance(self.where, Place):
            parts.append(f"  at {self.where.marked()}")
        elif self.where:
            parts.append(f"  at {self.where}")
        if self.hint:
            parts.append(f"  → {self.hint}")
        return "\n".join(parts)


class PlanError(MillstreamError):
    """The program is wrong; nothing has run."""


class SqlError(PlanError):
    """A place in a SQL text that cannot be read or does not mean anything."""


class Unsupported(SqlError):
    """Valid SQL that this version cannot run; the hint says what to write instead."""

    def __init__(self, fact: str, *, where: str | Place | None = None, hint: str | None = None):
        # The facts are often no more than the words that stand there.
        super().__init__(f"Not supported: {fact}", where=where, hint=hint)


class UnknownName(PlanError):
    """A name that does not exist, with the nearest ones that do."""

    def __init__(
        self,
        kind: str,
        name: str,
        *,
        available: Iterable[str] = (),
        where: str | Place | None = None,
    ):
        names = sorted(available)
        super().__init__(f"Unknown {kind} '{name}'.", where=where, hint=_did_you_mean(name, names))
        self.kind = kind
        self.name = name
        self.available = tuple(names)


class TypeMismatch(PlanError):
    """An expression whose argument types do not fit."""


class OptionError(PlanError):
    """An option of a connector, a format or a setting that is missing, unknown or malformed."""

    option: str | None = None
    """Its name, where one option is to blame."""


class GapError(PlanError):
    """Something the chosen engine cannot run, known before the job starts."""


class MissingExtra(MillstreamError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str, *, where: str | None = None):
        super().__init__(
            f"The package '{package}' is not installed.",
            where=where,
            hint=f"pip install 'millstream[{extra}]'",
        )
        self.package = package
        self.extra = extra


class ConnectorError(MillstreamError):
    """The outside world did not do what was asked."""

    def __init__(
        self,
        fact: str,
        *,
        where: str | Place | None = None,
        hint: str | None = None,
        retry: Retry = Retry.NEVER,
        domain: Domain = Domain.SYSTEM,
    ):
        super().__init__(fact, where=where, hint=hint)
        self.retry = retry
        self.domain = domain


class DataError(MillstreamError):
    """A row that cannot be used, where the policy says to stop."""


class CheckpointError(MillstreamError):
    """A checkpoint that cannot be written, read or continued."""


class JobError(MillstreamError):
    """A pipeline that stopped before its end."""


class MemoryLimit(JobError):
    """A pipeline needs more memory than it may have, and cannot put more of it on the disk."""


def _did_you_mean(name: str, names: list[str]) -> str | None:
    if not names:
        return None
    folded = {n.casefold(): n for n in names}
    near = [folded[n] for n in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]
    if near:
        return "Did you mean " + " or ".join(f"'{n}'" for n in near) + "?"
    if len(names) > NAMES_SHOWN_MAX:
        return f"None of the {len(names)} names there are is like it."
    return f"Available: {', '.join(names)}."
