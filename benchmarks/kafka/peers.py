"""How each peer is told to do the work, and where its programs and packages are.

in      a :class:`Job`: case, broker, input and output topic, a folder of its own
out     the commands of its processes; its scripts and settings lie in the folder
fair    two cores for everybody, used as each one's documentation says: two threads (ours, Flink,
        Spark, Pathway) or two processes of one group (Quix Streams, Bytewax). Whoever keeps
        checkpoints or commits by time does so every INTERVAL_MS
once    exactly once: ours, Flink, Quix Streams; the others cannot write to Kafka so and give
        at least once, as ours does beside it under a name of its own
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.kafka import environments, workload
from benchmarks.kafka.statements import flink_script, our_script

INTERVAL_MS = 1_000
PROGRAMS = Path(__file__).parent / "programs"
AT_LEAST_ONCE = "millstream-alo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be done."""

    case: str
    address: str
    input: str
    output: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Command:
    """One process of a peer."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer of this section."""

    name: str
    says: str
    """What it is told, for the report."""
    make: Callable[[Job], list[Command]]
    version: Callable[[], str]
    prepare: Callable[[], object]
    """Installs what is missing; raises environments.Missing."""


def commands(name: str, job: Job) -> list[Command]:
    """Return the processes that do a job, in the order they are started."""
    return PEERS[name].make(job)


def _ours(job: Job, *, exactly_once: bool) -> list[Command]:
    script = job.folder / "pipeline.sql"
    script.write_text(our_script(job.case, job.address, job.input, job.output))
    once = "exactly-once" if exactly_once else "at-least-once"
    argv = [sys.executable, "-m", "millstream", "run", str(script), "--quiet"]
    argv += ["--checkpoint", str(job.folder / "checkpoints")]
    argv += ["--set", f"sink.delivery-guarantee={once}"]
    argv += ["--set", f"execution.checkpointing.interval={INTERVAL_MS}"]
    return [Command(tuple(argv))]


def _flink(job: Job) -> list[Command]:
    script = job.folder / "pipeline.sql"
    script.write_text(flink_script(job.case, job.address, job.input, job.output, INTERVAL_MS))
    return [Command((*environments.flink_java(), str(PROGRAMS / "OnFlink.java"), str(script)))]


def _spark(job: Job) -> list[Command]:
    home, jars = environments.python("spark_kafka"), environments.spark_jars()
    said = (str(home), str(PROGRAMS / "on_spark.py"), *_arguments(job))
    env = {"PYSPARK_PYTHON": str(home), "SPARK_LOCAL_IP": "127.0.0.1"}
    return [Command((*said, ",".join(str(j) for j in sorted(jars.glob("*.jar")))), env)]


def _quix(job: Job) -> list[Command]:
    said = (str(environments.python("quix")), str(PROGRAMS / "on_quix.py"), *_arguments(job))
    return [Command((*said, str(n))) for n in range(workload.PARTITIONS)]


def _bytewax(job: Job) -> list[Command]:
    home = environments.python("bytewax_kafka")
    program = f"{PROGRAMS / 'on_bytewax.py'}:flow"
    both = ("-p", str(workload.PARTITIONS), "-w", "1")
    env = dict(zip(("CASE", "BROKER", "INPUT", "OUTPUT"), _arguments(job)[:4], strict=True))
    return [Command((str(home), "-m", "bytewax.testing", program, *both), env)]


def _pathway(job: Job) -> list[Command]:
    home = environments.python("pathway")
    said = (str(home), str(PROGRAMS / "on_pathway.py"), *_arguments(job))
    threads = {"PATHWAY_THREADS": "2", "PATHWAY_PROCESSES": "1"}  # what `pathway spawn -t 2` sets
    return [Command(said, threads)]


def _arguments(job: Job) -> tuple[str, ...]:
    return (job.case, job.address, job.input, job.output, str(job.folder))


def _nothing() -> None:
    """Ours is here already."""


def _our_version() -> str:
    from millstream import __version__

    return __version__


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "millstream",
            "SQL through the command line, exactly once",
            lambda job: _ours(job, exactly_once=True),
            _our_version,
            _nothing,
        ),
        Peer(
            AT_LEAST_ONCE,
            "the same, at least once",
            lambda job: _ours(job, exactly_once=False),
            _our_version,
            _nothing,
        ),
        Peer(
            "flink",
            "SQL, parallelism 2, heap state, object reuse, exactly once",
            _flink,
            environments.flink_version,
            environments.flink_java,
        ),
        Peer(
            "spark",
            "DataFrames, local[2], two shuffle partitions, available-now, at least once",
            _spark,
            lambda: environments.pinned("spark_kafka", "pyspark"),
            lambda: (environments.python("spark_kafka"), environments.spark_jars()),
        ),
        Peer(
            "quix",
            "two processes of one group, exactly once",
            _quix,
            lambda: environments.pinned("quix", "quixstreams"),
            lambda: environments.python("quix"),
        ),
        Peer(
            "bytewax",
            "two processes of one worker, orjson on whole batches, at least once",
            _bytewax,
            lambda: environments.pinned("bytewax_kafka", "bytewax"),
            lambda: environments.python("bytewax_kafka"),
        ),
        Peer(
            "pathway",
            "two threads, static mode, at least once",
            _pathway,
            lambda: environments.pinned("pathway", "pathway"),
            lambda: environments.python("pathway"),
        ),
    )
}
