"""What is logged: lines with fields, for people and for machines, never with a secret."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from millstream.connect.memory import Collected
from millstream.engine import delivering
from millstream.errors import Domain, Retry
from millstream.events import JsonLines, TextLines, about, carried, masked, of_job
from millstream.job import Job
from millstream.plan.nodes import Plan
from millstream.ports.store import Bytes, StoreError
from millstream.settings import Settings
from millstream.stores import open as stores
from millstream.stores.memory import MemoryStore
from tests.unit.engine.pipelines import events, into, known, rows, until
from tests.unit.engine.scripted import Script

ROOT = Path(__file__).parents[3]
TS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
HUSH = "hush-4711"
FLAKY = f"""
import polars as pl
import millstream as ms
from millstream.connect.memory import Collected
from millstream.errors import ConnectorError, Domain, Retry
from millstream.job import Job
from millstream.plan.nodes import Plan, Scan, Write
from millstream.plan.table import Physical, Table
from millstream.ports import registry
from millstream.settings import Settings
from millstream.types import Schema
from tests.unit.engine.flaky import Flaky

registry.CONNECTORS["flaky"] = "tests.unit.engine.flaky"
kind = Schema.of({{"x": "BIGINT"}}).type_of("x")
rows = pl.DataFrame({{"x": range(100)}}, schema={{"x": pl.Int64}})
said = "postgresql://me:{HUSH}@db is gone, password={HUSH}."
gone = ConnectorError(said, retry=Retry.LATER, domain=Domain.NETWORK)
refused = ConnectorError(said, domain=Domain.AUTH)
flaky = Flaky(rows, [(30, gone), (60, FAILS)] if FAILS else [(30, gone)])
scan = Scan(table=Table("numbers", (Physical("x", kind),), "flaky", {{"flaky": flaky}}))
out = Table("out", scan.table.columns, "memory", {{"target": Collected()}})
sink = Write(input=scan, table=out)
settings = Settings(
    pipeline_name="orders", checkpoint_dir="kept", checkpoint_interval_ms=50,
    restart_backoff_initial_ms=1,
)
Job(Plan((sink,)), settings).run()
ms.read_memory([{{"x": 1}}]).write_blackhole()
"""


def run(folder: Path, program: str, *options: str) -> subprocess.CompletedProcess[str]:
    file = folder / "app.py"
    file.write_text(program)
    return subprocess.run(
        [sys.executable, "-m", "millstream", "run", str(file), *options],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "COLUMNS": "200"},
        timeout=300,
        check=False,
    )


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_life_of_a_job_as_json(tmp_path: Path) -> None:
    """A collector reads standard error and needs no rule but JSON; rows stay on standard output."""
    program = "import millstream as ms\nms.read_memory([{'x': 1}, {'x': 2}]).show()\n"
    done = run(tmp_path, program, "--log-format", "json", "--set", "pipeline.name=shop")
    assert done.returncode == 0, done.stderr
    lines = lines_of(done.stderr)
    assert [line["event"] for line in lines] == ["started", "completed"]
    assert all(TS.fullmatch(line["ts"]) for line in lines)
    assert [line["ts"] for line in lines] == sorted(line["ts"] for line in lines)
    assert {(line["level"], line["job"]) for line in lines} == {("info", "shop")}
    assert (lines[-1]["rows_in"], lines[-1]["rows_out"], lines[-1]["restarts"]) == (2, 2, 0)
    assert "2" in done.stdout


def test_a_restart_says_where_it_failed_and_no_secret(tmp_path: Path) -> None:
    """At three in the morning: which job, which step, which split, and why."""
    done = run(tmp_path, FLAKY.replace("FAILS", "None"), "--log-format", "json")
    assert done.returncode == 0, done.stderr
    assert HUSH not in done.stderr
    mine = [line for line in lines_of(done.stderr) if line["job"] == "orders"]
    assert [line["event"] for line in mine] == ["started", "restart", "restarted", "completed"]
    restart = mine[1]
    assert (restart["level"], restart["split"], restart["number"]) == ("warning", "0", 1)
    assert restart["operator"]
    assert "postgresql://me:***@db is gone" in restart["message"]
    assert "ConnectorError" in restart["exception"]
    assert "Traceback" in restart["exception"]
    assert mine[-1]["restarts"] == 1


def test_a_failure_is_told_as_an_event_and_as_the_error_of_the_command(tmp_path: Path) -> None:
    """The last line says what to do; the one before where it failed. Both can be parsed."""
    done = run(tmp_path, FLAKY.replace("FAILS", "refused"), "--log-format", "json")
    assert done.returncode == 1
    assert HUSH not in done.stderr
    lines = lines_of(done.stderr)
    assert [(line["event"], line["level"]) for line in lines[-2:]] == [
        ("failed", "error"),
        ("error", "error"),
    ]
    assert (lines[-2]["job"], lines[-2]["split"]) == ("orders", "0")
    assert "exception" not in lines[-1]


def test_a_mistake_before_the_start_is_json_too(tmp_path: Path) -> None:
    """Nothing but JSON means nothing."""
    done = run(tmp_path, "import millstream as ms\n", "--log-format", "json")
    assert done.returncode == 2
    (line,) = lines_of(done.stderr)
    assert (line["event"], "declares nothing to run" in line["message"]) == ("error", True)


def test_the_level_says_what_is_left_out(tmp_path: Path) -> None:
    """Whoever pays by the line keeps warnings alone."""
    program = FLAKY.replace("FAILS", "None")
    done = run(tmp_path, program, "--log-format", "json", "--log-level", "warning")
    assert [line["event"] for line in lines_of(done.stderr)] == ["restart"]


def test_text_has_the_same_fields(tmp_path: Path) -> None:
    """The same facts for eyes; the progress and the summary stay."""
    done = run(tmp_path, FLAKY.replace("FAILS", "None"), "--log-level", "info")
    assert done.returncode == 0, done.stderr
    assert HUSH not in done.stderr
    (restart,) = [line for line in done.stderr.splitlines() if " event=restart " in line]
    assert TS.match(restart)
    assert " WARNING  restarting in " in restart
    assert "job=orders" in restart
    assert "split=0" in restart
    assert "completed after" in done.stderr
    assert "blackhole: 1 row" in done.stderr


def test_without_options_only_warnings_are_shown_as_they_are(tmp_path: Path) -> None:
    """A person at a terminal wants no fields; what failed is told once."""
    done = run(tmp_path, FLAKY.replace("FAILS", "refused"))
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert sum(line.startswith("restarting in ") for line in lines) == 1
    assert sum("is gone" in line for line in lines) == 2, "the restart's, and the error's"
    assert "Traceback" not in done.stderr


def test_logging_of_the_program_itself_is_left_alone(tmp_path: Path) -> None:
    """Who calls basicConfig has decided how lines look, and gets each of them once."""
    own = "import logging\nlogging.basicConfig(level='INFO', format='mine %(message)s')\n"
    done = run(tmp_path, own + FLAKY.replace("FAILS", "None"), "--quiet")
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "restarting in" in line]
    assert len(told) == 1
    assert told[0].startswith("mine restarting")
    assert "mine started" in done.stderr


# -- in this process ------------------------------------------------------------------------------


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))

    def events_of(self, job: str) -> list[str]:
        return [line["event"] for line in self.lines if line.get("job") == job]


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Kept]:
    known(monkeypatch)
    logger, handler = logging.getLogger("millstream"), _Kept()
    monkeypatch.setattr(logger, "level", logging.DEBUG)
    logger.manager._clear_cache()  # type: ignore[attr-defined]
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    logger.manager._clear_cache()  # type: ignore[attr-defined]


def test_pausing_and_stopping_are_events(kept: _Kept) -> None:
    """Somebody did it; the log says when. What changes nothing says nothing."""
    plan = Plan((into(events(Script({"0": rows(1)}, bounded=False)), "out", Collected()),))
    running = Job(plan, Settings(pipeline_name="shop")).start()
    running.pause()
    running.pause()
    running.resume()
    running.stop()
    assert kept.events_of("shop") == ["started", "paused", "resumed", "stopping", "stopped"]


class _Full(MemoryStore):
    """A store that has no room at first."""

    refusals = 1

    def put(self, name: str, data: Bytes) -> None:
        if self.refusals and name.startswith("packs/"):
            self.refusals -= 1
            fact = "no space is left"
            raise StoreError(fact, where=name, retry=Retry.LATER, domain=Domain.LIMIT)
        super().put(name, data)


def test_threads_of_two_jobs_do_not_mix_their_names(
    kept: _Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint is written in a thread of its own, which works for one job."""

    def always(store: _Full) -> Callable[[str], _Full]:
        return lambda _: store

    for name in ("one", "two"):
        monkeypatch.setitem(stores.OTHERS, name, always(_Full()))
    monkeypatch.setattr(delivering, "TRY_AGAIN_S", 0.01)
    jobs = []
    for name in ("one", "two"):
        plan = Plan((into(events(Script({"0": rows(1)}, bounded=False)), "out", Collected()),))
        settings = Settings(
            pipeline_name=name, checkpoint_dir=f"{name}://", checkpoint_interval_ms=50
        )
        jobs.append(Job(plan, settings).start())
    until(lambda: all(job.progress().epoch for job in jobs))
    for job in jobs:
        job.stop()
    for name in ("one", "two"):
        told = kept.events_of(name)
        assert told[:4] == ["started", "checkpoint_failed", "checkpoint_written", "checkpoint"]
        assert told[-1] == "stopped"
    failed = [line for line in kept.lines if line["event"] == "checkpoint_failed"]
    assert {(line["job"], line["checkpoint"]) for line in failed} == {("one", 1), ("two", 1)}


def test_a_job_is_carried_into_threads_and_no_further() -> None:
    """Outside of a job a record names none."""

    def named() -> str | None:
        record = logging.makeLogRecord({"msg": "x"})
        found: str | None = json.loads(JsonLines().format(record)).get("job")
        return found

    with of_job("shop"):
        there = carried(named)
        with of_job("other"):
            assert (named(), there(), named()) == ("other", "shop", "other")
    assert (named(), there(), carried(named)()) == (None, "shop", None)


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://me:{HUSH}@db/shop",
        f"redis://:{HUSH}@cache",
        f"'sasl.password' = '{HUSH}'",
        f'{{"client_secret": "{HUSH}", "x": 1}}',
        f"Authorization: Bearer {HUSH}",
        f"https://hooks.local/x?token={HUSH}&y=1",
        f"s3.secret-key={HUSH}, s3.access-key={HUSH}",
        f"api_key: {HUSH}",
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str) -> None:
    """Logs go to places where passwords must not be."""
    assert HUSH not in masked(text)
    record = logging.makeLogRecord({"msg": "%s", "args": (text,), **about("x", why=text)})
    for form in (JsonLines(), TextLines()):
        assert HUSH not in form.format(record)
        try:
            raise ValueError(text)
        except ValueError as error:
            failed = logging.makeLogRecord({"msg": "m", **about("x", failure=error)})
        assert HUSH not in form.format(failed)
        assert "ValueError" in form.format(failed)


@pytest.mark.parametrize("text", ["restarting in 1.0 s", "10:30:00 a@b.c", "http://host:80/x@y"])
def test_other_text_stays_as_it_is(text: str) -> None:
    """A mask that eats times and addresses makes a log useless."""
    assert masked(text) == text
