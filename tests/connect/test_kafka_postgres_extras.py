"""What happens where the client library of a connector is not installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
sys.modules[{package!r}] = None  # as if it were not installed
from millstream.errors import MissingExtra
from millstream.plan.table import Physical, Table
from millstream.ports.registry import config_of, source_for
from millstream.types import parse_type

table = Table("t", (Physical("a", parse_type("INT")),), {connector!r}, {options!r})
config_of(table)  # checking a script needs no client
try:
    source_for(table)
except MissingExtra as error:
    print(error)
"""
KAFKA = {"topic": "t", "properties.bootstrap.servers": "h:1", "format": "json"}
POSTGRES = {"url": "postgresql://h/x", "table-name": "t"}


@pytest.mark.parametrize(
    ("connector", "package", "options", "extra"),
    [
        ("kafka", "confluent_kafka", KAFKA, "millstream[kafka]"),
        ("postgres", "psycopg", POSTGRES, "millstream[postgres]"),
    ],
)
def test_a_missing_client_says_what_to_install(
    connector: str, package: str, options: dict[str, str], extra: str
) -> None:
    """`pip install millstream` has no clients; the first use says which extra brings one."""
    text = PROGRAM.format(package=package, connector=connector, options=options)
    done = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    assert extra in done.stdout, done.stderr
    assert done.stderr == ""
