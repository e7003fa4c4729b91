"""The sinks declared and not yet run, and how the program is being run, per context.

state   two context variables: threads and async tasks that start fresh see nothing of each other
        (no hidden global graph); a copied context sees what was declared before it was copied
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from millstream.plan.nodes import Plan
from millstream.settings import Settings

if TYPE_CHECKING:
    from millstream.frame.sink import Sink

_declared: ContextVar[tuple[Sink, ...]] = ContextVar("millstream_declared", default=())


class Purpose(Enum):
    """Why a program is executed."""

    RUN = "run"
    LOOK = "look"
    """``check`` and ``explain``: plans are kept, nothing is connected to."""


@dataclass(slots=True)
class Surroundings:
    """What the caller of a program (the command line, a test) adds to every run in it."""

    purpose: Purpose = Purpose.RUN
    options: Mapping[str, Any] = field(default_factory=dict)
    runner: Callable[[Any, Any], Any] | None = None
    plans: list[Plan] = field(default_factory=list)
    settings: list[Settings] = field(default_factory=list)
    """Beside each plan what it would run with."""


_around: ContextVar[Surroundings | None] = ContextVar("millstream_around", default=None)


class ProgramEnd(BaseException):
    """A program that is only looked at has come to a call that needs real results."""


def declare(sink: Sink) -> None:
    """Remember a sink for the next bare ``run()``."""
    _declared.set((*_declared.get(), sink))


def take_declared() -> tuple[Sink, ...]:
    """Return the sinks declared since the last run and forget them."""
    sinks = _declared.get()
    _declared.set(())
    return sinks


def forget(sinks: tuple[Sink, ...]) -> None:
    """These sinks were run by name: a later bare ``run()`` does not run them again."""
    gone = {id(s) for s in sinks}
    _declared.set(tuple(s for s in _declared.get() if id(s) not in gone))


def around() -> Surroundings:
    """Return what the caller of this program set, or the defaults."""
    return _around.get() or Surroundings()


@contextmanager
def surrounded(by: Surroundings) -> Iterator[Surroundings]:
    """Run a program inside other surroundings; sinks declared before stay outside."""
    token, before = _around.set(by), _declared.set(())
    try:
        yield by
    finally:
        _around.reset(token)
        _declared.reset(before)
