"""The pipeline that the faults happen to, run by the command line in a process of its own.

Kafka (JSON, several partitions, out of order, some bad documents) → tumbling window, count and sum
per key → Kafka, PostgreSQL and files, all exactly once. Topics, tables and folders are the scene's
own; the servers are shared.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from confluent_kafka.admin import AdminClient, NewTopic

from tests.faults import launched

START_LIMIT_S = 240.0
"""A first start may have to compile every kernel, on a machine that does other things too."""
RUN_LIMIT_S = 300.0
PARTITIONS = 3
SINK_PARTITIONS = 2
SCRIPT = """
SET 'execution.checkpointing.interval' = '{interval_ms} ms';
SET 'execution.checkpointing.num-retained' = '2';
SET 'cli.progress-interval' = '1 s';
{settings}
CREATE TABLE events (
  id BIGINT, key STRING, `value` BIGINT, ts_ms BIGINT, ts AS TO_TIMESTAMP_LTZ(ts_ms, 3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka', 'topic' = '{source}', 'properties.bootstrap.servers' = '{servers}',
  'scan.startup.mode' = 'earliest-offset', {bounded} {source_options} 'format' = 'json'
);
CREATE VIEW counted AS
SELECT window_start, key, COUNT(*) AS n, SUM(`value`) AS total
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' SECOND))
GROUP BY window_start, window_end, key;
CREATE TABLE k (window_start TIMESTAMP(3), key STRING, n BIGINT, total BIGINT) WITH (
  'connector' = 'kafka', 'topic' = '{sink}', 'properties.bootstrap.servers' = '{servers}',
  'sink.progress-topic' = '{progress}', 'sink.delivery-guarantee' = 'exactly-once',
  {sink_options} 'format' = 'json'
);
CREATE TABLE p (window_start TIMESTAMP(3), key STRING, n BIGINT, total BIGINT) WITH (
  'connector' = 'jdbc', 'url' = 'jdbc:{database}', 'table-name' = 'out'
);
CREATE TABLE f (window_start TIMESTAMP(3), key STRING, n BIGINT, total BIGINT) WITH (
  'connector' = 'filesystem', 'path' = '{files}', 'format' = 'json'
);
EXECUTE STATEMENT SET BEGIN
  {inserts}
END;
"""


@dataclass
class Scene:
    """Names and folders of one scenario; `servers` is what the pipeline is given."""

    servers: str
    database: str
    folder: Path
    direct: str = ""
    """Where tests reach the broker when `servers` leads through a proxy."""
    readable: str = ""
    """Where tests reach the database when `database` leads through a proxy."""
    interval_ms: int = 100
    settings: dict[str, str] = field(default_factory=dict)
    source_options: str = ""
    sink_options: str = ""
    sinks: tuple[str, ...] = ("k", "p", "f")
    tolerated: tuple[str, ...] = ()
    """Words that make a complaint of the log an expected one."""
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.direct = self.direct or self.servers
        self.readable = self.readable or self.database
        self.files.mkdir(parents=True)
        admin = AdminClient({"bootstrap.servers": self.direct, "log_level": 0})
        wanted = {self.source: PARTITIONS, self.sink: SINK_PARTITIONS}
        made = admin.create_topics([NewTopic(n, count, 1) for n, count in wanted.items()])
        for each in made.values():
            each.result(30)
        if "p" not in self.sinks:
            return
        with psycopg.connect(self.readable, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE out (window_start timestamp, key text, n bigint, total bigint)"
            )

    @property
    def source(self) -> str:
        return f"events-{self.name}"

    @property
    def sink(self) -> str:
        return f"counted-{self.name}"

    @property
    def progress(self) -> str:
        return f"_progress-{self.name}"

    @property
    def files(self) -> Path:
        return self.folder / "files"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def script(self, *, bounded: bool) -> Path:
        """Write the program; bounded it ends where the topic ends now."""
        path = self.folder / f"pipeline{'-bounded' if bounded else ''}.sql"
        path.write_text(
            SCRIPT.format(
                interval_ms=self.interval_ms,
                settings="".join(f"SET '{n}' = '{v}';\n" for n, v in self.settings.items()),
                source=self.source, sink=self.sink, progress=self.progress, servers=self.servers,
                database=self.database, files=self.files,
                bounded="'scan.bounded.mode' = 'latest-offset'," if bounded else "",
                source_options=self.source_options, sink_options=self.sink_options,
                inserts="".join(f"INSERT INTO {s} SELECT * FROM counted;\n" for s in self.sinks),
            )
        )  # fmt: skip
        return path

    def start(
        self, *, bounded: bool = False, stops: str = "", checkpoints: Path | None = None,
        environment: dict[str, str] | None = None, before: list[str] | None = None,
    ) -> Run:  # fmt: skip
        """Start the pipeline; `stops` are the epochs, counted from here, where it stops itself.

        `before` is a program that runs it, such as strace.
        """
        log = self.folder / f"run-{len(self.runs):04d}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*(before or []), sys.executable, str(Path(launched.__file__)), "run",
                 str(self.script(bounded=bounded)),
                 "--checkpoint", str(checkpoints or self.checkpoints)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.folder,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path),
                     launched.STOPS: stops, **(environment or {})},
            )  # fmt: skip
        run = Run(process, log, checkpoints or self.checkpoints, epoch_of(self.checkpoints))
        self.runs.append(run)
        return run

    def finish(self, *, limit_s: float = RUN_LIMIT_S) -> Run:
        """Run to the end of what was produced; it must end by itself, well."""
        run = self.start(bounded=True)
        code = run.wait(limit_s)
        assert code in ENDED_WELL, f"ended with {code}:\n{run.text()}"
        return run

    def kill(self) -> None:
        """Nothing of the scene runs after this."""
        for run in self.runs:
            run.kill()

    def stop_marks(self) -> list[str]:
        """Lines of any log that no run may print."""
        found = [line for run in self.runs for line in run.complaints()]
        return [line for line in found if not any(word in line for word in self.tolerated)]


ENDED_WELL = (0, 3)
"""Done; done with rows rejected (the feed has some that are not JSON)."""
COMPLAINTS = ("Traceback", "ERROR", "CRITICAL", "panicked", "This is a bug", "Exception ignored")


@dataclass
class Run:
    """One process of the pipeline, from its start to its end."""

    process: subprocess.Popen[bytes]
    log: Path
    checkpoints: Path
    epoch_at_start: int
    started_s: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        return self.process.pid

    def text(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def complaints(self) -> list[str]:
        text = self.log.read_text(errors="replace")
        return [t for t in text.splitlines() if any(word in t for word in COMPLAINTS)]

    def epoch(self) -> int:
        return epoch_of(self.checkpoints)

    def wait(self, limit_s: float) -> int:
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not done after {limit_s} s:\n{self.text()}") from None

    def until(self, happened: Callable[[], bool], *, limit_s: float = START_LIMIT_S) -> None:
        """Wait for something while the process lives."""
        end = time.monotonic() + limit_s
        while not happened():
            assert self.process.poll() is None, f"ended with {self.process.poll()}:\n{self.text()}"
            assert time.monotonic() < end, f"waited {limit_s} s:\n{self.text()}"
            time.sleep(0.005)

    def until_epochs(self, more: int, *, limit_s: float = START_LIMIT_S) -> None:
        """Wait until this run has made so many epochs durable."""
        self.until(lambda: self.epoch() >= self.epoch_at_start + more, limit_s=limit_s)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def epoch_of(checkpoints: Path) -> int:
    """The number of the newest checkpoint; 0 without any."""
    return max(
        (int(p.stem) for p in (checkpoints / "manifests").glob("*.json") if p.stem.isdigit()),
        default=0,
    )
