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
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

import numpy as np
from benchmarks.kafka import broker
from benchmarks.latency.events import RATE_JUDGED, following
from benchmarks.latency.judging import Results, lateness
from benchmarks.latency.parts import Done, Ends, ends_of, figures, generator_limits

from millstream.frame.measuring import UNCOUNTED, AtRate, stalls

RATES = (1_000.0, RATE_JUDGED, 100_000.0)
BURST_EVENTS = 100_000
WAIT_S = 30.0


@dataclass(slots=True)
class Relay:
    """A generator and a watcher of one topic."""

    ends: Ends
    done: list[Done] = field(default_factory=list)
    missing: int = 0
    repeated: int = 0

    def at_rate(self, rate: float, seconds: float) -> AtRate:
        """Send one rate, beside a process that only sleeps."""
        with stalls() as beside:
            done, results = self._phase(int(rate * seconds), rate)
        found = lateness("join", done.phase, results, done.begin_ns)
        late_s = found.counted(seconds * UNCOUNTED)
        return figures(rate, seconds, done, late_s, beside[0], kept_up=not found.missing)

    def burst(self) -> tuple[float, str]:
        """Return how many events a second go through, and what limited them."""
        done, results = self._phase(BURST_EVENTS, 0.0)
        took_s = (int(results.arrived_ns[-1]) - done.begin_ns) / 1e9
        by = "generator" if generator_limits(done, took_s) else "broker"
        return done.phase.count / took_s, by

    def _phase(self, count: int, rate: float) -> tuple[Done, Results]:
        """Send so many events and wait for them."""
        phase = following(self.done[-1].phase if self.done else None, count, rate, 1)
        self.ends.prepare(phase)
        done = self.ends.send(phase)
        self.done.append(done)
        end_s = time.monotonic() + WAIT_S
        while self.ends.count() < count and time.monotonic() < end_s:
            time.sleep(0.02)
        results = self.ends.take()
        ids = results.column("id")
        self.repeated += len(ids) - len(np.unique(ids))
        self.missing += int((~np.isin(phase.ids, ids)).sum())
        return done, results


@contextmanager
def relaying(address: str) -> Iterator[Relay]:
    """Make a topic and start both processes; they end with this."""
    topic = f"relay-{os.getpid()}-{time.time_ns()}"
    broker.make_topic(address, topic)
    with ends_of(address, (topic,), topic, closes=False, committed=False) as ends:
        yield Relay(ends)


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
        most, by = relay.burst()
        rates = [relay.at_rate(rate, given.seconds) for rate in RATES]
    count = sum(done.phase.count for done in relay.done)
    notes = {
        "most_per_s": most,
        "most_limited_by": by,
        "right": not relay.missing,
        "wrong": f"{relay.missing:,} events are missing" if relay.missing else "",
        "repeated": relay.repeated,
        "rates": [asdict(rate) for rate in rates],
    }
    said = {
        "seconds": given.seconds * len(RATES),
        "events": count,
        "rows": count - relay.missing + relay.repeated,
        "checksum": None,
        "notes": notes,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
