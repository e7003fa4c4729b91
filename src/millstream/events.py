"""What Millstream logs, as records with fields: text for people, JSON lines for machines.

in      records of ``logging.getLogger("millstream")`` and below; ``extra=about(…)`` says more
state   the job that this thread works for (a context variable; :func:`carried` takes it along)
out     lines with the time in UTC, the level, the message, and of these what is known: ``job``,
        ``operator`` (its id), ``split``, ``event`` (a word to filter by), figures of the event,
        ``exception`` (its traceback as text). One record is one line of JSON; in text, what it
        has of further lines is moved in
secrets what looks like a password, a token or a key is masked in every line, whoever wrote it
use     in Python::

            handler = logging.StreamHandler()
            handler.setFormatter(millstream.events.JsonLines())
            logging.getLogger("millstream").addHandler(handler)
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
_JOB: ContextVar[str | None] = ContextVar("millstream_job", default=None)
_ABOUT = "millstream"
"""The attribute of a record that holds what it is about."""
_MASK = "***"
_NAME_MAX = 64
"""Characters of a secret's name behind what gives it away."""
# What is searched may be somebody's bytes: each pattern takes a time that grows with the text and
# no faster, so none begins with something of any length, and names have a limit.
_SECRETS = (
    (re.compile(r"(://[^\s:/@'\"]{0,256}:)[^\s/'\"]{1,256}@"), rf"\1{_MASK}@"),
    (re.compile(r"(?i)\b(bearer|basic)(\s{1,8})[\w.~+/=-]{6,}"), rf"\1\2{_MASK}"),
    (
        re.compile(
            r"(?i)((?:password|passwd|pwd|secret|token|credential|api[-_.]?key|"
            rf"private[-_.]?key|access[-_.]?key)[\w.-]{{0,{_NAME_MAX}}}"
            r"['\"]?\s{0,8}[=:]\s{0,8})"
            r"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s,;&'\")]+)"
        ),
        rf"\1{_MASK}",
    ),
)


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


@contextmanager
def of_job(name: str) -> Iterator[None]:
    """Records of this thread are about a job, as long as this lasts."""
    before = _JOB.set(name)
    try:
        yield
    finally:
        _JOB.reset(before)


def carried(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that works, in whatever thread, for the job of this one."""
    job = _JOB.get()

    def working(*args: P.args, **kwargs: P.kwargs) -> R:
        if job is None:
            return function(*args, **kwargs)
        with of_job(job):
            return function(*args, **kwargs)

    return working


def about(
    event: str,
    *,
    operator: str | None = None,
    split: str | None = None,
    failure: BaseException | None = None,
    **figures: Any,
) -> dict[str, Any]:
    """Return the ``extra`` of a record.

    ``failure`` becomes ``exception`` in lines of this module alone: whoever has set up no logging
    sees the message, and the failure where it is raised.
    """
    said = {"operator": operator, "split": split, "event": event, **figures}
    return {_ABOUT: (said, failure)}


def event_of(record: logging.LogRecord) -> str | None:
    """Return the word by which an event is known."""
    found: str | None = _said(record)[0].get("event")
    return found


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return all that is known of a record, secrets masked; what is not known is not there."""
    said, failure = _said(record)
    found = {
        "ts": _instant(record.created),
        "level": record.levelname.lower(),
        "message": masked(_message(record)),
        "job": _JOB.get(),
        **{name: masked(v) if isinstance(v, str) else v for name, v in said.items()},
    }
    if record.exc_info is not None and record.exc_info[1] is not None:
        failure = record.exc_info[1]
    if failure is not None:
        found["exception"] = masked("".join(traceback.format_exception(failure)).rstrip())
    return {name: value for name, value in found.items() if value is not None}


def masked(text: str) -> str:
    """Return a text without what looks like a secret.

    >>> masked("postgresql://me:hush@db/shop password=hush, 'sasl.password': 'hush'")
    "postgresql://me:***@db/shop password=***, 'sasl.password': ***"
    """
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; what is no JSON value becomes its text."""
        found = fields(record)
        try:
            return json.dumps(found, ensure_ascii=False, default=str, allow_nan=False)
        except (TypeError, ValueError):  # NaN, or keys that are no texts
            texts = {name: masked(str(value)) for name, value in found.items()}
            return json.dumps(texts, ensure_ascii=False)


class TextLines(logging.Formatter):
    """Time, level and message, then the fields; a traceback on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        found = fields(record)
        line = f"{found.pop('ts')} {found.pop('level').upper():8} {_shown(found.pop('message'))}"
        trace = found.pop("exception", None)
        if found:
            line += " [" + " ".join(f"{name}={_word(value)}" for name, value in found.items()) + "]"
        return line if trace is None else f"{line}\n{_shown(trace)}"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 (a record that was made wrong is told as it is)
        return f"{record.msg} {record.args}"


def _said(record: logging.LogRecord) -> tuple[dict[str, Any], BaseException | None]:
    said: tuple[dict[str, Any], BaseException | None] = getattr(record, _ABOUT, ({}, None))
    return said


def _instant(at_s: float) -> str:
    at = datetime.fromtimestamp(at_s, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _shown(text: str) -> str:
    """Return a text that looks like no other record and tells the terminal nothing.

    Its further lines are moved in, its control characters are written out: it may be a row's.
    """
    lines = (_CONTROL.sub(lambda found: repr(found[0])[1:-1], line) for line in text.split("\n"))
    return "\n    ".join(lines)


def _word(value: Any) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    quoted = re.search(r"[\s\"=\]]", text) or _CONTROL.search(text)
    return json.dumps(text, ensure_ascii=False) if quoted else text
