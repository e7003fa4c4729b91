"""File to nothing: JSON lines from a disk to a sink that keeps nothing, ours beside five peers.

in      the options of the command line; inputs and environments are made where they are missing
out     contenders, targets and text of the section, for the harness
sizes   a slow peer gets fewer events of the same file, from its beginning; rates are compared
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.files import flink, texts
from benchmarks.files.inputs import RATE, Input, made
from benchmarks.harness.contract import OURS, Contender, Options, Outcome, Target, of, ratio
from benchmarks.harness.machine import version_of
from benchmarks.kafka.environments import Missing, pinned, python

from tests.oracle.environment import VERSION as FLINK_VERSION

NAME = "files"
QUERIES = (0, 2, 5, 8, 17)
"""By default: a pass-through, a selection, windows, a join of windows, groups."""
QUICK = ("q0", "q5", "tumble")
LIMIT_S = 300.0
SPARK_CANNOT = {
    "q4": "Structured Streaming has no aggregate over an updating aggregate",
    "q7": "not said: rows joined with the greatest of their own window",
    "q9": "Structured Streaming has no ROW_NUMBER over a stream",
    "q15": "Structured Streaming has no COUNT(DISTINCT)",
    "q16": "Structured Streaming has no COUNT(DISTINCT)",
    "q18": "Structured Streaming has no ROW_NUMBER over a stream",
    "q19": "Structured Streaming has no ROW_NUMBER over a stream",
}
SPARK_WINDOWS = ("q5", "q8", "q11", "tumble")
PATHWAY_CASES = ("q0", "q1", "q2", "q5", "q8", "q17", *texts.PLAIN)
BYTEWAX_CASES = ("q0", "q1", "q2", "q8", "q17", *texts.PLAIN)
PEERS = ("flink", "spark", "duckdb", "pathway", "bytewax")
_COUNTS = ("tumble", "q5")
"""Windowed counts."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many events each contender is timed over, and all are verified over."""

    small: int = 100_000
    ours: int = 2_000_000
    duckdb: int = 2_000_000
    spark: int = 1_000_000
    flink: int = 500_000
    pathway: int = 100_000
    bytewax: int = 100_000

    def at_most(self, events: int) -> Sizes:
        """Return sizes of which none is above ``events``."""
        return Sizes(*(min(getattr(self, name), events) for name in self.__slots__))


def contenders(options: Options) -> Sequence[Contender]:
    """Prepare inputs and peers; return who runs."""
    sizes = Sizes()
    if options.quick:
        sizes = replace(sizes.at_most(300_000), flink=200_000, small=50_000)
    if options.events is not None:
        sizes = replace(sizes, ours=options.events, duckdb=options.events).at_most(options.events)
    cases = _cases(options)
    cores = tuple(range(max(options.cores))) if options.cores else (0, 1)
    makers = {name: _MAKERS[name] for name in PEERS if options.wants(name)}
    found: list[Contender] = []
    for case in cases:
        found.append(_ours(case, sizes, cores))
        for make in makers.values():
            peer = make(case, sizes, cores)
            if peer is not None:
                found.append(peer)
    return found


def targets(outcomes: Sequence[Outcome]) -> Sequence[Target]:
    """Return one line per aim of the section."""
    found: list[Target] = []
    for peer, times in (("flink", 6.0), ("spark", 4.0)):
        ratios = _ratios(outcomes, peer)
        mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios)) if ratios else None
        name = f"geometric mean of ours : {peer} over {len(ratios)} cases"
        found.append(_target(name, times, mean))
        least = min(ratios, key=ratios.__getitem__, default=None)
        name = f"slowest case beside {peer}" + (f" ({least})" if least else "")
        found.append(_target(name, 1.0, ratios.get(least or "")))
    for peer in ("pathway", "bytewax"):
        ratios = {c: r for c, r in _ratios(outcomes, peer).items() if c in _COUNTS}
        for case in _COUNTS:
            if case in ratios or case == "tumble":
                name = f"windowed count {case}, ours : {peer}"
                found.append(_target(name, 20.0, ratios.get(case)))
    for case in texts.PLAIN:
        name = f"plain {case}, ours : DuckDB in batch"
        found.append(_target(name, 0.5, ratio(outcomes, case, OURS, "duckdb")))
    return found


def text(outcomes: Sequence[Outcome]) -> str:
    """Return the section's part of RESULTS.md."""
    return f"{_METHOD}\n\n{_rates(outcomes)}\n\n{_LEFT_OUT}"


# ---------------------------------------------------------------------------------- who runs


def _cases(options: Options) -> tuple[str, ...]:
    if options.queries is not None:
        unknown = set(options.queries).difference(texts.QUERIES)
        assert not unknown, f"q{min(unknown)} is not in this section: {texts.QUERIES}"
        return tuple(f"q{query}" for query in options.queries)
    if options.quick:
        return QUICK
    return (*(f"q{query}" for query in QUERIES), *texts.PLAIN)


def _inputs(case: str, sizes: Sizes, peer: str) -> tuple[Input, Input]:
    """Return what a contender is timed over and what it is verified over; the largest first."""
    kind = texts.kind(case)
    made(kind, max(sizes.ours, sizes.duckdb))
    return made(kind, getattr(sizes, peer)), made(kind, sizes.small)


def _ours(case: str, sizes: Sizes, cores: tuple[int, ...]) -> Contender:
    large, small = _inputs(case, sizes, "ours")
    said = (case, str(large.file), str(large.events), str(small.file))
    return _contender(case, OURS, cores, (sys.executable, "-m", "benchmarks.files.ours", *said))


def _duckdb(case: str, sizes: Sizes, cores: tuple[int, ...]) -> Contender:
    large, small = _inputs(case, sizes, "duckdb")
    said = (case, str(large.file), str(large.events), str(small.file), str(len(cores)))
    argv = (sys.executable, "-m", "benchmarks.files.duck", *said)
    return _contender(case, "duckdb", cores, argv, version=version_of("duckdb") or "")


def _flink(case: str, sizes: Sizes, cores: tuple[int, ...]) -> Contender:
    large, small = _inputs(case, sizes, "flink")
    classes = flink.prepared()
    if isinstance(classes, str):
        return _contender(case, "flink", cores, (), version=FLINK_VERSION, missing=classes)
    said = (case, str(large.halves), str(large.events), str(small.halves))
    argv = (sys.executable, "-m", "benchmarks.files.flink", *said, str(classes), str(len(cores)))
    return _contender(case, "flink", cores, argv, version=FLINK_VERSION)


def _spark(case: str, sizes: Sizes, cores: tuple[int, ...]) -> Contender:
    cannot = SPARK_CANNOT.get(case, "")
    large, small = _inputs(case, sizes, "spark")
    of_both = [i.flushed if case in SPARK_WINDOWS else i.file.parent for i in (large, small)]
    said = (case, str(of_both[0]), str(large.events), str(of_both[1]), str(len(cores)))
    return _installed(case, "spark", "pyspark", "spark", said, cores, missing=cannot)


def _pathway(case: str, sizes: Sizes, cores: tuple[int, ...]) -> Contender | None:
    if case not in PATHWAY_CASES:
        return None
    large, small = _inputs(case, sizes, "pathway")
    said = (case, str(large.file), str(large.events), str(small.file))
    threads = {"PATHWAY_THREADS": str(len(cores))}
    return _installed(case, "pathway", "pathway", "pathway_peer", said, cores, env=threads)


def _bytewax(case: str, sizes: Sizes, cores: tuple[int, ...]) -> Contender | None:
    if case not in BYTEWAX_CASES:
        return None
    large, small = _inputs(case, sizes, "bytewax")
    said = (case, str(large.halves), str(large.events), str(small.halves))
    return _installed(case, "bytewax", "bytewax", "bytewax_peer", said, cores)


_MAKERS: Mapping[str, Callable[[str, Sizes, tuple[int, ...]], Contender | None]] = {
    "flink": _flink,
    "spark": _spark,
    "duckdb": _duckdb,
    "pathway": _pathway,
    "bytewax": _bytewax,
}


def _installed(
    case: str,
    peer: str,
    package: str,
    module: str,
    said: Iterable[str],
    cores: tuple[int, ...],
    *,
    env: Mapping[str, str] | None = None,
    missing: str = "",
) -> Contender:
    """Return a contender with Python packages of its own, installed now if they are not there."""
    version = pinned(peer, package)
    argv: tuple[str, ...] = ()
    if not missing:
        try:
            argv = (str(python(peer)), "-m", f"benchmarks.files.{module}", *said)
        except Missing as reason:
            missing = str(reason)
    return _contender(case, peer, cores, argv, version=version, env=env, missing=missing)


def _contender(
    case: str,
    name: str,
    cores: tuple[int, ...],
    argv: tuple[str, ...],
    *,
    version: str = "",
    env: Mapping[str, str] | None = None,
    missing: str = "",
) -> Contender:
    return Contender(
        section=NAME,
        case=case,
        name=name,
        argv=argv,
        env=dict(env or {}),
        cores=cores,
        version=version,
        missing=missing,
        limit_s=LIMIT_S,
    )


# ----------------------------------------------------------------------------- what it says


def _ratios(outcomes: Sequence[Outcome], peer: str) -> dict[str, float]:
    """Return ours : peer for each case both ran."""
    cases = dict.fromkeys(o.contender.case for o in outcomes)
    found = {case: ratio(outcomes, case, OURS, peer) for case in cases}
    return {case: value for case, value in found.items() if value is not None}


def _target(name: str, times: float, found: float | None) -> Target:
    said = "not measured" if found is None else f"{found:.2f}"
    met = None if found is None else found >= times
    return Target(name=name, wanted=f">= {times:g}", found=said, met=met)


def _rates(outcomes: Sequence[Outcome]) -> str:
    """Return events per second, a line per case, and in brackets how many times ours it is."""
    lines = [
        f"| M events/s | ours | {' | '.join(PEERS)} |",
        "|---|--:" + "|--:" * len(PEERS) + "|",
    ]
    for case in dict.fromkeys(o.contender.case for o in outcomes):
        mine = of(outcomes, case, OURS)
        cells = [case, _rate(mine)]
        for peer in PEERS:
            times = ratio(outcomes, case, OURS, peer)
            rate = _rate(of(outcomes, case, peer))
            cells.append(rate if times is None else f"{rate} (ours × {times:.1f})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _rate(outcome: Outcome | None) -> str:
    if outcome is None or outcome.rate is None:
        return "–"
    return f"{outcome.rate / 1e6:.3f}"


_SIZES = Sizes()
_METHOD = f"""From JSON lines on a disk (in the page cache) to a sink that keeps nothing, two cores
each. `q…` are queries of Nexmark over nested documents (person, auction and bid, two of them NULL,
about 330 bytes), {RATE:,} events in a second of event time; `filter`, `tumble` (10 s, per user) and
`group` (by item) read flat documents of 102 bytes. Ours with the defaults a user gets.

* **Sizes.** In a full run ours and DuckDB read {_SIZES.ours:,} events, Spark {_SIZES.spark:,},
  Flink {_SIZES.flink:,}, Pathway {_SIZES.pathway:,} and Bytewax {_SIZES.bytewax:,}, from the
  beginning of the same file: slower ones get fewer, and rates are compared. Less state is an
  advantage of theirs.
* **Answers.** Each contender first answers the query over the first {_SIZES.small:,} events (fewer
  in a quick run), and the rows that are left when changes are folded are counted and hashed: `rows`
  and checksum are of that answer. In ours, DuckDB, Flink and Spark it happens in the process that
  is timed and warms it up: kernels, classes, compiled code.
* **Clock.** Ours: the whole of `ms.run`. DuckDB: the query, into Arrow columns. Flink: from its
  first task running until its last one has finished. Spark: the computing of its micro-batches
  only. Pathway: the whole of `pw.run`. Bytewax: from the first batch of lines. Starting, importing,
  planning (but ours) and the verification are not in it; `start s` tells them together.
* **Flink SQL**: parallelism 2, heap state, object reuse, no checkpoints; without and with
  mini-batches (2 s, 50 000 rows, distinct aggregates split), the faster one counted. It reads the
  lines from two files, a source task each, because it reads the parts of one in no order and drops
  rows as late. **Spark**: two cores, two shuffle partitions, available-now, one micro-batch;
  windows in append mode, groups in update mode; where there are windows a later event closes the
  last ones. **Pathway**: its static mode, two threads, only the fields a query needs; it has no
  DECIMAL, q1 counts in thousandths. **Bytewax**: two processes, a file each, documents through
  orjson, event time alone."""
_LEFT_OUT = f"""By default q{", q".join(map(str, QUERIES))} and the three plain shapes; `--queries`
takes any of {", ".join(map(str, texts.QUERIES))}. Pathway and Bytewax are asked what is short to
say in them; Bytewax' watermarks are per key, so the hottest item over all keys (q5) is not among
it."""
