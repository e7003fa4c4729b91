"""The latency section: what its report says of rounds."""

from __future__ import annotations

from benchmarks.harness.contract import OURS, Contender, Measured, Options, Outcome
from benchmarks.latency import section

LATENCY = {"events": 10, "p50": 1.0, "p99": 4.0, "p999": 5.0, "p9999": 6.0, "max": 7.0}


def outcome(
    *rounds: dict[float, float],
    case: str = "inside-window",
    p99: float = 4.0,
    commit_ms: float = 1.0,
    wrong: str = "",
) -> Outcome:
    """Return rounds of a case: rate → p99.99."""
    more = {
        "commit": LATENCY | {"p50": commit_ms}, "right": not wrong, "wrong": wrong, "repeated": 0,
        "most_per_s": 1e5, "most_limited_by": "pipeline",
    }  # fmt: skip
    runs = tuple(
        Measured(
            seconds=1.0, events=1, rows=1, checksum=None, wall_s=1.0, cpu_s=1.0,
            memory_bytes_peak=1, load=0.0,
            notes=more | {"rates": [
                {"events_per_s": rate, "latency": LATENCY | {"p99": p99, "p9999": p9999},
                 "kept_up": True, "generator_late": LATENCY, "stalls": LATENCY}
                for rate, p9999 in rates.items()
            ]},
        )
        for rates in rounds
    )  # fmt: skip
    contender = Contender(section="latency", case=case, name=OURS, argv=())
    return Outcome(contender=contender, runs=runs)


def test_the_aim_takes_the_median_round_at_its_rate():
    """`met` and `missed` are what people read; an aim nobody measured is neither."""
    low, high = 1_000.0, 200_000.0
    met, *_ = section.targets([outcome({low: 90.0, high: 12.0}, {low: 90.0, high: 99.0},
                                      {low: 90.0, high: 14.0})])  # fmt: skip
    assert (met.met, met.found) == (True, "14.00 ms")
    missed, *_ = section.targets([outcome({high: 17.0})])
    assert missed.met is False
    unknown, *_ = section.targets([outcome({low: 1.0})])
    assert (unknown.met, unknown.found) == (None, "not measured")


def test_a_round_that_stopped_early_tells_of_the_rates_it_had():
    """80 % of the most differs from round to round, and a rate that is too much ends a round."""
    rows = section._rows(outcome({1_000.0: 1.0, 10_000.0: 3.0}, {1_000.0: 9.0}))
    assert [row.split("|")[2].strip() for row in rows] == ["1,000", "10,000"]
    assert [row.split("|")[6].strip() for row in rows] == ["5.00", "3.00"]


def test_the_aim_of_exactly_once_follows_from_the_commits_of_the_run():
    """A bound that is a constant would be met by a machine with slow commits, or never."""
    found = outcome({10_000.0: 1.0}, case="kafka-keyed-eo100", p99=130.0, commit_ms=20.0)
    aims = {t.name: t for t in section.targets([found])}
    aim = aims["kafka-keyed-eo100 at 10,000 events/s, p99"]
    assert (aim.wanted, aim.met) == ("<= 100 ms + 2 x the median commit = 140 ms", True)
    late = outcome({10_000.0: 1.0}, case="kafka-keyed-eo100", p99=150.0, commit_ms=20.0)
    assert [t.met for t in section.targets([late]) if "keyed-eo100" in t.name] == [False]


def test_a_wrong_result_is_told():
    """Figures of a run that lost rows must not stand there as if nothing had happened."""
    found = outcome({10_000.0: 1.0}, case="kafka-window-alo", wrong="7 results are missing")
    assert "kafka-window-alo, round 1: WRONG: 7 results are missing" in section._wrong([found])


def test_every_case_is_run_by_its_own_child():
    """A contender whose module is not there would fail only when all others have run."""
    cases = section.cases(Options(), "127.0.0.1:9")
    assert [c.case for c in cases][:4] == [
        "inside-stateless", "inside-window", "inside-join", "kafka-relay-alone",
    ]  # fmt: skip
    assert len({c.case for c in cases}) == len(cases) == 14
    for case in cases:
        module = case.argv[2].rpartition(".")[2]
        assert (section.CHECKOUT / "benchmarks" / "latency" / f"{module}.py").is_file()
