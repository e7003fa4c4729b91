"""One record is one line that can be read, whatever is in it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from millstream.events import JsonLines, TextLines, about, masked


def record(message: str, *arguments: Any, **more: Any) -> logging.LogRecord:
    logger = logging.getLogger("millstream")
    return logger.makeRecord("millstream", logging.INFO, "f", 1, message, arguments, None, **more)


def strictly(line: str) -> dict[str, Any]:
    """Return what a collector reads; NaN is no JSON."""

    def refuse(word: str) -> None:
        pytest.fail(f"{word} is no JSON")

    assert "\n" not in line
    found: dict[str, Any] = json.loads(line, parse_constant=refuse)
    return found


@pytest.mark.parametrize(
    "text",
    ["a" * 200_000, "password" * 20_000, "password " * 20_000, "://" * 50_000, "://a:" * 30_000,
     "://a:" + "b" * 200_000, "token='" + "\\" * 200_000, "bearer " * 20_000],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_masking_takes_time_that_grows_with_the_text(text):
    """A row is told in a message: twenty thousand letters once took two minutes to be masked."""
    masked(text)  # it ends before the suite's patience does


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("k://me:pa@ss@db/x", "k://me:***@db/x"),
        (r'"sasl.password": "a\"b", x', '"sasl.password": ***, x'),
        ("my_password_of_old = hush", "my_password_of_old = ***"),
        ("http://localhost:8042/users/a@b", "http://localhost:8042/users/a@b"),
    ],
)
def test_secrets_of_unusual_shape_are_masked(said, shown):
    """A password may hold an @ or a quote; an address without one stays as it is."""
    assert masked(said) == shown


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {(1, 2): 3}, {1: float("nan")}])
def test_what_is_no_json_is_a_text(value):
    """One figure that is NaN must not make a collector drop the line."""
    found = strictly(JsonLines().format(record("rate", extra=about("rate", value=value))))
    assert (found["message"], found["event"], found["value"]) == ("rate", "rate", str(value))


def test_a_record_that_was_made_wrong_is_told_as_it_is():
    """The message without its arguments is better than a traceback of the log itself."""
    assert strictly(JsonLines().format(record("%d rows", "no")))["message"] == "%d rows ('no',)"


def test_a_text_cannot_look_like_another_record():
    """Rows are somebody else's text: no forged lines, no colours, no title of the window."""
    forged = "bad row\n2026-01-01T00:00:00.000Z ERROR    all is lost\r\x1b[2J\u2028x"
    lines = TextLines().format(record("%s", forged)).splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("    2026-")
    assert lines[1].endswith("all is lost\\r\\x1b[2J\\u2028x")
    assert strictly(JsonLines().format(record("%s", forged)))["message"] == forged


OTHERS = """
import logging, warnings
from millstream.cli.logs import LogFormat, set_up
set_up(LogFormat.JSON)
logging.getLogger("other.library").warning("two\\nlines")
logging.getLogger("other.library").info("not asked for")
warnings.warn("old", DeprecationWarning, stacklevel=1)
logging.getLogger("millstream").info("ours")
"""


def test_where_lines_are_json_other_libraries_write_json():
    """A collector reads all of standard error; one foreign line is an error in its books."""
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", OTHERS], capture_output=True, text=True, check=True
    )
    found = [strictly(line) for line in done.stderr.splitlines()]
    said = [(one["level"], one["message"]) for one in found]
    assert said[0] == ("warning", "two\nlines")
    assert "DeprecationWarning: old" in said[1][1]
    assert said[2] == ("info", "ours")
    assert len(said) == 3
