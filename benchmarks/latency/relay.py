"""The broker alone: ``python -m benchmarks.latency.relay --broker ADDRESS``.

in      a broker that runs
out     as the harness wants it, one JSON object as the last line; ``notes`` have the percentiles
        per rate, as those of a pipeline between two topics
method  the same generator, and the same watcher, on one topic with nothing between them: what no
        pipeline can be below, as its events go through the broker once more
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.kafka import broker
from benchmarks.latency import generator, watcher
from benchmarks.latency.events import RATE_JUDGED, Phase, following
from benchmarks.latency.judging import Results, lateness
from benchmarks.latency.parts import BEGIN_AFTER_S, answer, ended

from millstream.frame.measuring import UNCOUNTED, AtRate, latency_of, stalls

RATES = (1_000.0, RATE_JUDGED, 100_000.0)
BURST_EVENTS = 100_000
WAIT_S = 30.0


@dataclass(slots=True)
class Relay:
    """A generator and a watcher of one topic."""

    generator: Any
    watcher: Any
    before: Phase | None = None

    def at_rate(self, rate: float, seconds: float) -> AtRate:
        """Send one rate, beside a process that only sleeps."""
        with stalls() as beside:
            phase, sent, results, begin_ns = self._phase(int(rate * seconds), rate)
        found = lateness("join", phase, results, begin_ns)
        return AtRate(
            events_per_s=rate,
            seconds=seconds,
            latency=latency_of(found.counted(seconds * UNCOUNTED)),
            generator_late=latency_of(sent.late_s),
            stalls=beside[0],
            kept_up=not found.missing,
        )

    def burst(self) -> float:
        """Return how many events a second go through."""
        phase, _, results, begin_ns = self._phase(BURST_EVENTS, 0.0)
        return phase.count / ((int(results.arrived_ns[-1]) - begin_ns) / 1e9)

    def _phase(self, count: int, rate: float) -> tuple[Phase, generator.Sent, Results, int]:
        phase = self.before = following(self.before, count, rate, 1)
        self.generator.send(phase)
        answer(self.generator)
        begin_ns = time.monotonic_ns() + int(BEGIN_AFTER_S * 1e9)
        self.generator.send(begin_ns)
        sent = answer(self.generator, phase.seconds + 2 * generator.FLUSH_S)
        end_s = time.monotonic() + WAIT_S
        self.watcher.send(watcher.COUNT)
        while answer(self.watcher) < count and time.monotonic() < end_s:
            time.sleep(0.02)
            self.watcher.send(watcher.COUNT)
        self.watcher.send(watcher.TAKE)
        return phase, sent, Results(*answer(self.watcher)), begin_ns


@contextmanager
def relaying(address: str) -> Iterator[Relay]:
    """Make a topic and start both processes; they end with this."""
    topic = f"relay-{os.getpid()}-{time.time_ns()}"
    broker.make_topic(address, topic)
    spawn = multiprocessing.get_context("spawn")
    (mine, theirs), (ours, its) = spawn.Pipe(), spawn.Pipe()
    parts = [
        spawn.Process(
            target=generator.serve, args=(theirs, address, (topic,)), kwargs={"closes": False}
        ),
        spawn.Process(
            target=watcher.serve, args=(its, address, topic), kwargs={"committed": False}
        ),
    ]
    with ended(parts):
        for part in parts:
            part.start()
        answer(ours)
        yield Relay(mine, ours)
        mine.send(None)
        ours.send(watcher.END)


def warm(address: str, seconds: float) -> None:
    """Let a broker that was just started compile what it runs, under many small requests."""
    with relaying(address) as relay:
        relay.at_rate(RATES[0], seconds)


def main() -> None:
    """Run all rates and print what the harness reads."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--broker", required=True, metavar="ADDRESS")
    asked.add_argument("--seconds", type=float, default=4.0)
    given = asked.parse_args()
    with relaying(given.broker) as relay:
        most = relay.burst()
        rates = [relay.at_rate(rate, given.seconds) for rate in RATES]
        count = 0 if relay.before is None else relay.before.first + relay.before.count
    right = all(rate.kept_up for rate in rates)
    notes = {
        "most_per_s": most,
        "most_limited_by": "generator",
        "right": right,
        "wrong": "" if right else "events are missing",
        "repeated": 0,
        "rates": [asdict(rate) for rate in rates],
    }
    seconds = given.seconds * len(RATES)
    said = {"seconds": seconds, "events": count, "rows": count, "checksum": None, "notes": notes}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
