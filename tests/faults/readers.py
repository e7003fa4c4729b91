"""Readers that look at every sink all the time, as others would, and find fault at once.

Kafka       a consumer with ``isolation.level=read_committed``: no row twice
PostgreSQL  a new transaction each time: no row twice, and what was seen stays
files       visible names only: whole lines, no row twice, and a file that was seen stays as it is
A row is (start of the window in ms, key, count, sum); window and key make it *the* row.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from confluent_kafka import Consumer, IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from tests.faults.feed import Row
from tests.faults.scene import SINK_PARTITIONS, Scene

LOOK_S = 0.05
LOOK_BACK_MS = 120_000
"""PostgreSQL is read again this far back in event time; all of it when the reader ends."""
END_LIMIT_S = 120.0


class Wrong(AssertionError):
    """A reader saw what no reader may see."""


class Seen:
    """The rows a reader has seen; says no to a second one of a window and key."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.rows: dict[tuple[int, str], Row] = {}
        self.newest_ms = 0

    def add(self, row: Row) -> None:
        key = (row[0], row[1])
        if key in self.rows:
            raise Wrong(f"{self.where}: {row} came after {self.rows[key]}")
        self.rows[key] = row
        self.newest_ms = max(self.newest_ms, row[0])


class Reader(threading.Thread):
    """One reader of one sink; `failure` is the first thing that was wrong."""

    def __init__(self, name: str, look: Callable[[bool], None], every_s: float) -> None:
        super().__init__(name=f"reader of {name}", daemon=True)
        self.failure: BaseException | None = None
        self._look, self._every_s = look, every_s
        self._end = threading.Event()

    def run(self) -> None:
        try:
            while not self._end.wait(self._every_s):
                self._look(False)
            self._look(True)
        except BaseException as error:  # noqa: BLE001 (raised again by the test)
            self.failure = error

    def stop(self) -> None:
        self._end.set()

    def end(self) -> None:
        self._end.set()
        self.join(END_LIMIT_S + 10)
        assert not self.is_alive(), f"the {self.name} hangs"


class Readers:
    """All readers of one scene."""

    def __init__(self, scene: Scene, *, every_s: float = LOOK_S) -> None:
        self.scene = scene
        self.seen = {sink: Seen(sink) for sink in scene.sinks}
        self._files: dict[str, str] = {}
        looks = {"k": self._kafka, "p": self._postgres, "f": self._read_files}
        if "k" in scene.sinks:
            self._consumer = _consumer(scene)
        self._threads = [Reader(s, looks[s], every_s) for s in scene.sinks]
        for thread in self._threads:
            thread.start()

    def check(self) -> None:
        """Raise what a reader found wrong so far."""
        for thread in self._threads:
            if thread.failure is not None:
                raise thread.failure

    def end(self, answer: list[Row]) -> None:
        """After the last run: every sink holds the answer, each row once, nothing is open."""
        for thread in self._threads:
            thread.end()
        if "k" in self.seen:
            self._consumer.close()
        self.check()
        for sink, seen in self.seen.items():
            found = sorted(seen.rows.values())
            missing = sorted(set(answer) - set(found))
            extra = sorted(set(found) - set(answer))
            if missing or extra:
                raise Wrong(
                    f"{sink}: {len(missing)} of {len(answer)} rows missing {missing[:3]}, "
                    f"{len(extra)} wrong {extra[:3]}"
                )
        if "k" in self.seen:
            nothing_open(self.scene)

    def leave(self) -> None:
        """The test is over, well or not."""
        for thread in self._threads:
            thread.stop()

    def rows(self) -> int:
        """How many rows the slowest reader has seen."""
        return min(len(seen.rows) for seen in self.seen.values())

    def _kafka(self, last: bool) -> None:
        end_s = time.monotonic() + END_LIMIT_S
        ended: set[int] = set()
        while True:
            messages = self._consumer.consume(1_000, timeout=0.05)
            for message in messages:
                error = message.error()
                if error is None:
                    self.seen["k"].add(_row(json.loads(message.value())))
                    ended.discard(message.partition())
                elif error.name() == "_PARTITION_EOF":
                    ended.add(message.partition())
            if not last and not messages:
                return
            if last and not messages and time.monotonic() > end_s - END_LIMIT_S + 2:
                return
            if last and time.monotonic() > end_s:
                raise Wrong("k: the topic does not end")

    def _postgres(self, last: bool) -> None:
        seen = self.seen["p"]
        since = 0 if last else max(0, seen.newest_ms - LOOK_BACK_MS)
        query = "SELECT window_start, key, n, total FROM out WHERE window_start >= %s"
        try:
            with psycopg.connect(self.scene.readable) as connection:
                found = connection.execute(query, [datetime.fromtimestamp(since / 1000, UTC)
                                                   .replace(tzinfo=None)]).fetchall()  # fmt: skip
        except psycopg.OperationalError:
            if last:
                raise
            return  # the server is away: that is some test's fault, and no row is wrong
        now: dict[tuple[int, str], Row] = {}
        for at, key, n, total in found:
            row = (_ms(at), key, n, total)
            if row[:2] in now:
                raise Wrong(f"p: {row} is there twice")
            now[(row[0], row[1])] = row
        for held, row in seen.rows.items():
            if held[0] >= since and now.get(held) != row:
                raise Wrong(f"p: {row} was there and is {now.get(held)} now")
        for held, row in now.items():
            if held not in seen.rows:
                seen.add(row)

    def _read_files(self, last: bool) -> None:
        there = {p.name: p for p in self.scene.files.iterdir() if _is_visible(p)}
        if gone := set(self._files) - set(there):
            raise Wrong(f"f: {sorted(gone)} went away")
        for name in sorted(there):
            if name in self._files and not last:
                continue
            data = there[name].read_bytes()
            digest = hashlib.blake2b(data).hexdigest()
            if name in self._files:
                if self._files[name] != digest:
                    raise Wrong(f"f: {name} changed after it was seen")
                continue
            if not data.endswith(b"\n"):
                raise Wrong(f"f: {name} ends in the middle of a line")
            self._files[name] = digest
            for line in data.splitlines():
                self.seen["f"].add(_row(json.loads(line)))


def nothing_open(scene: Scene) -> None:
    """No transaction of the pipeline holds a committed reader back."""
    admin = AdminClient({"bootstrap.servers": scene.direct, "log_level": 0})
    parts = [TopicPartition(scene.sink, p) for p in range(SINK_PARTITIONS)]
    ends = []
    for level in (IsolationLevel.READ_UNCOMMITTED, IsolationLevel.READ_COMMITTED):
        asked = admin.list_offsets({p: OffsetSpec.latest() for p in parts}, isolation_level=level)
        ends.append([asked[p].result(30).offset for p in parts])
    if ends[0] != ends[1]:
        raise Wrong(f"k: a transaction is open, the topic ends at {ends[0]}, for readers {ends[1]}")


def _consumer(scene: Scene) -> Consumer:
    consumer = Consumer(
        {"bootstrap.servers": scene.direct, "group.id": "reader", "log_level": 0,
         "isolation.level": "read_committed", "enable.auto.commit": False,
         "auto.offset.reset": "error", "fetch.wait.max.ms": 50}
    )  # fmt: skip
    consumer.assign([TopicPartition(scene.sink, p, 0) for p in range(SINK_PARTITIONS)])
    return consumer


def _is_visible(path: Path) -> bool:
    return path.is_file() and not path.name.startswith((".", "_"))


def _ms(at: datetime) -> int:
    return round(at.replace(tzinfo=UTC).timestamp() * 1000)


def _row(found: dict[str, object]) -> Row:
    at = datetime.fromisoformat(str(found["window_start"]))
    return (_ms(at), str(found["key"]), int(str(found["n"])), int(str(found["total"])))
