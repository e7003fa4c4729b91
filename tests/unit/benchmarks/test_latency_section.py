"""The latency section: what its report says of rounds."""

from __future__ import annotations

from benchmarks.harness.contract import OURS, Contender, Measured, Options, Outcome
from benchmarks.latency import section

LATENCY = {"events": 10, "p50": 1.0, "p99": 4.0, "p999": 5.0, "p9999": 6.0, "max": 7.0}


def outcome(*rounds: dict[float, float]) -> Outcome:
    """Return rounds of the window case: rate → p99.99."""
    runs = tuple(
        Measured(
            seconds=1.0, events=1, rows=1, checksum=None, wall_s=1.0, cpu_s=1.0,
            memory_bytes_peak=1, load=0.0,
            notes={"rates": [
                {"events_per_s": rate, "latency": LATENCY | {"p9999": p9999}, "kept_up": True,
                 "generator_late": LATENCY, "stalls": LATENCY}
                for rate, p9999 in rates.items()
            ]},
        )
        for rates in rounds
    )  # fmt: skip
    contender = Contender(section="latency", case="inside-window", name=OURS, argv=())
    return Outcome(contender=contender, runs=runs)


def test_the_aim_takes_the_median_round_at_its_rate():
    """`met` and `missed` are what people read; an aim nobody measured is neither."""
    low, high = 1_000.0, 200_000.0
    (met,) = section.targets([outcome({low: 90.0, high: 12.0}, {low: 90.0, high: 99.0},
                                      {low: 90.0, high: 14.0})])  # fmt: skip
    assert (met.met, met.found) == (True, "14.00 ms")
    (missed,) = section.targets([outcome({high: 17.0})])
    assert missed.met is False
    (unknown,) = section.targets([outcome({low: 1.0})])
    assert (unknown.met, unknown.found) == (None, "not measured")


def test_a_round_with_other_rates_is_not_mixed_in():
    """80 % of the most differs from round to round, and with it how many rates there are."""
    rows = section._rows(outcome({1_000.0: 1.0, 10_000.0: 3.0}, {1_000.0: 9.0}))
    assert [row.split("|")[2].strip() for row in rows] == ["1,000", "10,000"]
    assert rows[0].split("|")[6].strip() == "1.00"


def test_every_case_is_run_by_its_own_child():
    """A contender whose module is not there would fail only when all others have run."""
    cases = section.contenders(Options())
    assert [c.case for c in cases] == ["inside-stateless", "inside-window", "inside-join"]
    for case in cases:
        module = case.argv[2].rpartition(".")[2]
        assert (section.CHECKOUT / "benchmarks" / "latency" / f"{module}.py").is_file()
