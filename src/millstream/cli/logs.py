"""What a command does with what Millstream logs.

in      ``--log-format`` and ``--log-level``; neither given, nothing is set up
out     lines on standard error. Without these options: warnings, their text alone. With them:
        lines with their fields (:mod:`millstream.events`), text or JSON. Where they are JSON,
        nothing else is there: no progress line, no summary; an error is a line as well, and so are
        Python's warnings and what other libraries log that nobody else writes
bad     the program has set up logging of its own: without the options that alone is used
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from enum import Enum

from millstream.events import JsonLines, TextLines, about, event_of

LOGGER = logging.getLogger("millstream")
PYTHON = logging.getLogger("py.warnings")
_LAST_RESORT = logging.lastResort
_MESSAGE = logging.Formatter("%(message)s")


class LogFormat(str, Enum):  # noqa: UP042 (typer shows the values of a str Enum)
    """How lines of the log look."""

    TEXT = "text"
    JSON = "json"


class LogLevel(str, Enum):  # noqa: UP042 (typer shows the values of a str Enum)
    """What is logged: this and what is more severe."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class _OnStandardError(logging.Handler):
    """Writes to what standard error is at that moment."""

    def __init__(self, log_format: LogFormat | None) -> None:
        super().__init__()
        self.log_format = log_format
        self.wipe: Callable[[], None] = lambda: None
        """Removes what was drawn on the line there."""
        lines = {LogFormat.TEXT: TextLines, LogFormat.JSON: JsonLines}
        self.setFormatter(_MESSAGE if log_format is None else lines[log_format]())

    def emit(self, record: logging.LogRecord) -> None:
        if self.log_format is None and _is_told_otherwise(record):
            return
        try:
            line = self.format(record)
            self.wipe()
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 (a log that fails must not fail what it tells of)
            self.handleError(record)


def set_up(log_format: LogFormat | None = None, level: LogLevel | None = None) -> bool:
    """Log as the options say; returns whether lines are JSON."""
    if log_format is None and level is not None:
        log_format = LogFormat.TEXT
    if level is None:
        level = LogLevel.INFO if log_format is LogFormat.JSON else LogLevel.WARNING
    for logger in (LOGGER, PYTHON):
        for old in [h for h in logger.handlers if isinstance(h, _OnStandardError)]:
            logger.removeHandler(old)
    handler = _OnStandardError(log_format)
    handler.setLevel(level.value.upper())
    LOGGER.addHandler(handler)
    if log_format is not None:
        LOGGER.setLevel(handler.level)
    is_json = log_format is LogFormat.JSON
    if is_json:
        PYTHON.addHandler(handler)
    logging.captureWarnings(is_json)
    logging.lastResort = handler if is_json else _LAST_RESORT
    return is_json


def wiped_by(wipe: Callable[[], None]) -> None:
    """Have a drawn line removed before a line is logged."""
    for handler in LOGGER.handlers:
        if isinstance(handler, _OnStandardError):
            handler.wipe = wipe


def logged(text: str, failure: BaseException | None = None) -> bool:
    """Log why a command ends, where everything is JSON; tells whether it did."""
    json = [h for h in LOGGER.handlers if isinstance(h, _OnStandardError)]
    if not any(handler.log_format is LogFormat.JSON for handler in json):
        return False
    LOGGER.error("%s", text, extra=about("error", failure=failure))
    return True


def _is_told_otherwise(record: logging.LogRecord) -> bool:
    """Tell whether a record that nobody asked for is shown by others.

    What failed is the command's own message; a program may have set up logging of its own.
    """
    return event_of(record) == "failed" or bool(logging.getLogger().handlers)
