"""An independent producer at a fixed rate, and what a batch query says about what it produced.

in      a topic of several partitions, a rate, a seed
out     JSON events whose event time runs on with their number, out of order by less than the
        watermark's delay, spread over the partitions by chance; some documents are not JSON
oracle  every event that is sent is also a line of ``file``; DuckDB answers the pipeline's query
"""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import duckdb
from confluent_kafka import Producer

START_MS = 1_767_225_600_000
DELAY_MS = 5_000
JITTER_MS = 3_000
TICK_S = 0.02
BAD = b'{"id": 1, "key": "k0", "value": '
ANSWER = """
SELECT epoch_ms(time_bucket(INTERVAL '1 second', make_timestamp(ts_ms * 1000))) AS window_start,
       key, count(*) AS n, sum(value)::BIGINT AS total
FROM read_json(?, format = 'newline_delimited',
     columns = {id: 'BIGINT', key: 'VARCHAR', value: 'BIGINT', ts_ms: 'BIGINT'})
GROUP BY ALL
"""
Row = tuple[int, str, int, int]
"""Start of the window in ms, key, count, sum: what every sink holds."""


class Feed:
    """Produces until told to stop; `answer` is then what the sinks must hold."""

    def __init__(
        self, servers: str, topic: str, folder: Path, *,
        rate: int = 1_000, step_ms: int = 20, keys: int = 4, bad: float = 0.002, seed: int = 1,
        partitions: int = 3,
    ) -> None:  # fmt: skip
        self.file = folder / "events.ndjson"
        self.sent = 0
        self.bad_sent = 0
        self._rate, self._step_ms, self._keys, self._bad = rate, step_ms, keys, bad
        self._partitions = partitions
        self._topic = topic
        self._chance = random.Random(seed)
        self._failed: list[str] = []
        self._stop = threading.Event()
        # Without idempotence what is sent again after a leader's election comes behind what was
        # sent later, and would rightly be late.
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "linger.ms": 5,
                "log_level": 0,
                "enable.idempotence": True,
            }
        )
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> Feed:
        self._thread.start()
        return self

    def stop(self) -> None:
        """No more events; everything is with the broker when this returns."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        assert self._producer.flush(30) == 0, "the broker did not take every event"
        assert not self._failed, self._failed[:3]

    def stop_quietly(self) -> None:
        """The test is over, well or not."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._producer.purge()

    def send(self, count: int) -> None:
        """Produce so many events at once (instead of, or before, `start`)."""
        with self.file.open("a") as file:
            file.write("".join(self._events(count)))

    def send_again(self, count: int) -> None:
        """Produce the last events a second time: to a pipeline these are rows of their own."""
        lines = self.file.read_text().splitlines(keepends=True)[-count:]
        with self.file.open("a") as file:
            file.write("".join(lines))
        for line in lines:
            self._produce(line.encode())

    def send_late(self, count: int, at_ms: int) -> None:
        """Produce events of a time that is long over, at the end of each partition in turn."""
        assert self._producer.flush(30) == 0, "the broker did not take every event"
        for number in range(count):
            text = f'{{"id":{-number},"key":"k0","value":1,"ts_ms":{at_ms}}}'
            self._produce(text.encode())

    def answer(self) -> list[Row]:
        """What DuckDB says about all events, sorted."""
        if not self.sent:
            return []
        with duckdb.connect() as connection:
            found = connection.execute(ANSWER, [str(self.file)]).fetchall()
        return sorted(found)

    def _run(self) -> None:
        begun_s = time.monotonic()
        with self.file.open("a") as file:
            while not self._stop.wait(TICK_S):
                due = int((time.monotonic() - begun_s) * self._rate) - self.sent
                file.write("".join(self._events(max(0, min(due, self._rate)))))
                self._producer.poll(0)

    def _events(self, count: int) -> list[str]:
        chance, lines = self._chance, []
        for _ in range(count):
            number = self.sent
            self.sent += 1
            ms = START_MS + number * self._step_ms + chance.randrange(JITTER_MS)
            key, value = chance.randrange(self._keys), chance.randrange(1_000)
            text = f'{{"id":{number},"key":"k{key}","value":{value},"ts_ms":{ms}}}'
            lines.append(text + "\n")
            self._produce(text.encode())
            if chance.random() < self._bad:
                self.bad_sent += 1
                self._produce(BAD)
        return lines

    def _produce(self, value: bytes) -> None:
        partition = self._chance.randrange(self._partitions)
        while True:
            try:
                self._producer.produce(
                    self._topic, value, partition=partition, on_delivery=self._on_delivery
                )
            except BufferError:
                self._producer.poll(0.1)
                continue
            return

    def _on_delivery(self, error: object, _message: object) -> None:
        if error is not None:
            self._failed.append(str(error))
