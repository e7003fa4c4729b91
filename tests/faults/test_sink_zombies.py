"""A start that was thought dead wakes up beside its successor: it must write nothing (F8)."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from millstream.connect import files_hold
from millstream.errors import ConnectorError, Retry
from millstream.ports.registry import sink_for
from tests.faults.children import SinkChild
from tests.faults.sink_child import rows_said, table_said

Said = tuple[str, dict[str, Any], Callable[[], list[tuple[int, str]]]]


@pytest.fixture
def files(tmp_path: Path) -> Said:
    folder = tmp_path / "out"

    def read() -> list[tuple[int, str]]:
        lines = [
            json.loads(t) for p in sorted(folder.glob("part-*")) for t in p.read_text().splitlines()
        ]
        return sorted((line["id"], line["who"]) for line in lines)

    return "filesystem", {"path": str(folder), "format": "json"}, read


@pytest.fixture
def postgres(database: str) -> Said:
    options = {"url": database, "table-name": "t", "sink.create-table": "true"}

    def read() -> list[tuple[int, str]]:
        with psycopg.connect(database) as connection:
            return connection.execute("SELECT id, who FROM t ORDER BY id").fetchall()

    return "postgres", options, read


@pytest.fixture
def sqlite(tmp_path: Path) -> Said:
    import contextlib
    import sqlite3

    path = str(tmp_path / "file.db")

    def read() -> list[tuple[int, str]]:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return connection.execute("SELECT id, who FROM t ORDER BY id").fetchall()

    return "sqlite", {"path": path}, read


SINKS = ["files", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=SINKS)
def said(request: pytest.FixtureRequest) -> Said:
    found: Said = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def child(said: Said) -> Iterator[SinkChild]:
    connector, options, _ = said
    with SinkChild(connector, options) as made:
        yield made


def test_f08_a_zombie_delivers_nothing(said: Said, child: SinkChild) -> None:
    """Stopped for any time and woken, with an epoch in its hands that its successor has written."""
    connector, options, read = said
    assert child.ask("open", incarnation=1) is None
    assert child.ask("deliver", epoch=1, ids=[1]) == [1, 0]
    child.sleep()
    child.tell("deliver", epoch=2, ids=[2, 3])
    sink = sink_for(table_said(connector, options), updating=False)
    assert sink.open("p", 2) == 1
    sink.deliver(2, [rows_said("successor", 2)])
    child.wake()
    assert child.answer()["error"] == "fenced"
    child.tell("deliver", epoch=3, ids=[9])
    assert child.answer()["error"] == "fenced"
    sink.deliver(3, [rows_said("successor", 3)])
    sink.close()
    assert read() == [(1, "child"), (2, "successor"), (3, "successor")]


def test_f08_a_zombie_shows_no_file_of_its_own(files: Said, tmp_path: Path) -> None:
    """At least once too: files that the successor has shown never change behind a reader."""
    connector, options, read = files
    options = {**options, "sink.delivery-guarantee": "at-least-once"}
    with SinkChild(connector, options) as child:
        child.ask("open", incarnation=1)
        child.ask("write", ids=[1])
        child.ask("flush")
        child.sleep()
        child.tell("write", ids=[2])
        sink = sink_for(table_said(connector, options), updating=False)
        sink.open("p", 2)
        shown = {p.name: p.read_bytes() for p in (tmp_path / "out").glob("part-*")}
        assert read() == [(1, "child")]
        child.wake()
        assert child.answer()["error"] == "fenced"
        child.ask("close")
        assert {p.name: p.read_bytes() for p in (tmp_path / "out").glob("part-*")} == shown
        sink.close()


def test_f08_a_zombie_that_holds_the_lock_is_not_waited_for_without_end(
    files: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped between lock and rename it cannot be fenced: the successor must say so and retry."""
    connector, options, read = files
    monkeypatch.setattr(files_hold, "LOCK_LIMIT_S", 0.1)
    sink = sink_for(table_said(connector, options), updating=False)
    sink.open("p", 1)
    (lock,) = (Path(options["path"]) / files_hold.STATE_FOLDER).glob("*.lock")
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConnectorError, match="held the folder") as caught:
            sink.deliver(1, [rows_said("successor", 1)])
    assert caught.value.retry is Retry.LATER
    sink.deliver(1, [rows_said("successor", 1)])
    sink.close()
    assert read() == [(1, "successor")]
