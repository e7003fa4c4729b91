"""kill -9 at every system call of a checkpoint and of its commit, thread by thread (F1).

A run stops itself at the decision of its second epoch. From there until the decision of the next
one a full turn goes by: the manifest gets its name, every sink delivers, old epochs are forgotten,
the next epoch is written. For each thread that does a part of it: k = 1, 2, 3 … kill at its k-th
call, start again (which is also the run of the next k), until a turn ends untouched. Readers look
all the time; every few kills the pipeline runs to its end and is compared with DuckDB.

Seen to fail by the sample below: with PostgreSQL's epoch neither read at the start nor checked in
the transaction (a row twice), with Kafka's progress record read as one epoch less (a row twice),
and with files visible before the manifest has its name (the next start refuses: they are ahead).
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.faults import tracing
from tests.faults.feed import Feed
from tests.faults.readers import Readers
from tests.faults.scene import Run, Scene

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]
LONG = os.environ.get("MILLSTREAM_FAULTS") == "long"
BROKER = "rdk:broker"
SHARDS = {"checkpoint": 4, "write f": 2, "write p": 2, "write k": 1, BROKER: 4}
"""Thread → how many tests share its calls in the long form."""
SAMPLE = [("checkpoint", 4), ("checkpoint", 17), ("write p", 3), ("write f", 7), (BROKER, 2)]
UNTOUCHED_MAX = 2
"""A turn is not the same to the call each time: so many in a row end a thread's points."""


@pytest.mark.skipif(not LONG, reason="all of them in `make faults`")
@pytest.mark.parametrize(
    ("thread", "shard"), [(t, s) for t, count in SHARDS.items() for s in range(count)]
)
def test_f01_a_kill_at_every_call(
    thread: str, shard: int, scene: Scene, feed: Callable[..., Feed], readers: Readers,
    note: Callable[..., None],
) -> None:  # fmt: skip
    """Wherever a checkpoint or a commit is cut, the next start makes each row come once."""
    load = feed(seed=shard).start()
    killed, untouched, k = 0, 0, shard + 1
    which = 0
    while True:
        run = at_decision(scene)
        tids = tracing.threads(run.pid, thread)
        assert tids, f"no thread '{thread}…' among {tracing.names(run.pid)}"
        if which >= len(tids):
            run.kill()
            break
        # Threads of the Kafka client do different things each: every one has its own points.
        if tracing.killed_at(run, [tids[which]], k):
            killed, untouched = killed + 1, 0
        else:
            untouched += 1
        readers.check()
        k += SHARDS[thread]
        if untouched >= UNTOUCHED_MAX:
            which, k, untouched = which + 1, shard + 1, 0
            if thread != BROKER:
                break
    load.stop()
    scene.finish()
    readers.end(load.answer())
    assert scene.stop_marks() == []
    assert killed or thread == BROKER, "nothing was killed: are the calls the right ones?"
    note(points=killed, runs=len(scene.runs), rows=readers.rows())


@pytest.mark.skipif(LONG, reason="the long form has these points")
def test_f01_kills_at_some_calls(
    scene: Scene, feed: Callable[..., Feed], readers: Readers, note: Callable[..., None]
) -> None:
    """The sample of the points that every run of `make test` takes."""
    load = feed(seed=1).start()
    killed = 0
    for thread, k in SAMPLE:
        run = at_decision(scene)
        killed += tracing.killed_at(run, tracing.threads(run.pid, thread), k)
        readers.check()
    load.stop()
    scene.finish()
    readers.end(load.answer())
    assert scene.stop_marks() == []
    assert killed >= len(SAMPLE) - 2, "most points of the sample lie within a turn"
    note(points=killed, runs=len(scene.runs), rows=readers.rows())


def at_decision(scene: Scene) -> Run:
    """A run that stands at the decision of its second epoch; it has recovered and got further."""
    tracing.need_strace()
    before = scene.runs[-1].epoch() if scene.runs else 0
    run = scene.start(stops="2,3")
    run.until(lambda: tracing.is_stopped(run.pid))
    assert run.epoch() == before + 1, "epochs go on without a gap"
    return run
