"""The harness of `make bench`: what it measures, compares, tells and keeps."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import benchmarks.__main__ as program_of_all
import pytest
from benchmarks.__main__ import arguments, is_trial, options
from benchmarks.harness import report, rounds
from benchmarks.harness.answers import disagreements
from benchmarks.harness.contract import Contender, Measured, Outcome, Target, of, ratio
from benchmarks.harness.measure import Failed, measure

ANSWER = {"seconds": 0.5, "events": 100, "rows": 7, "checksum": "ab", "notes": {"x": 1}}
HOST = {
    "processor": "p", "cores": 2, "memory_gib": 1.0, "system": "s", "python": "3", "java": None,
    "packages": {"polars": "2"}, "load_1_min": 0.1,
}  # fmt: skip


def contender(name="millstream", case="q1", **more):
    return Contender(section="engine", case=case, name=name, argv=("true",), **more)


def program(text, **more):
    return replace(contender(), argv=(sys.executable, "-c", text), cores=(0, 1), **more)


def run(seconds=1.0, rows=7, checksum="ab"):
    return Measured(
        seconds=seconds, events=1_000, rows=rows, checksum=checksum, notes={}, wall_s=seconds + 1,
        cpu_s=1.0, memory_bytes_peak=1 << 20, load=0.0,
    )  # fmt: skip


def outcome(name="millstream", *runs, case="q1", **more):
    return Outcome(contender=contender(name, case, **more), runs=runs, commit="c", date="d")


def runs(pid):
    """Whether a process does anything; a dead one that nobody has waited for yet does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in "ZX"


def test_a_rate_is_the_median_and_a_ratio_is_formed_round_by_round():
    """The ratio of medians would compare a quiet round with a loud one."""
    ours = outcome("millstream", run(1.0), run(2.0), run(4.0))
    other = outcome("duckdb", run(2.0), run(8.0), run(2.0))
    assert ours.rate == 500.0
    assert ours.spread == 1.5
    assert ratio([ours, other], "q1", "millstream", "duckdb") == 2.0
    assert ratio([ours], "q1", "millstream", "duckdb") is None


def test_two_cores_count_as_two():
    """A figure per core that forgets a core would be twice too good."""
    assert outcome("millstream", run(1.0), cores=(0, 1)).rate_per_core == 500.0


def test_what_a_child_says_and_takes_is_measured():
    """Processor and memory of what a child starts belong to it as well."""
    worker = "x = bytearray(64 << 20); sum(range(3_000_000))"
    text = f"import json, subprocess, sys; subprocess.run([sys.executable, '-c', {worker!r}])\n"
    text += f"print('chatter'); print(json.dumps({ANSWER!r}))"
    given = measure(program(text))
    assert isinstance(given, Measured), given
    assert (given.seconds, given.events, given.rows, given.checksum) == (0.5, 100, 7, "ab")
    assert given.notes == {"x": 1}
    assert given.cpu_s > 0
    assert given.memory_bytes_peak > 0
    assert given.wall_s > 0


def test_a_child_is_pinned_to_its_cores():
    """Else 'per core' is a lie."""
    last = max(os.sched_getaffinity(0))
    said = f"{{**{ANSWER!r}, 'rows': list(os.sched_getaffinity(0))[0]}}"
    before = os.sched_getaffinity(0)
    given = measure(replace(program(f"import json, os; print(json.dumps({said}))"), cores=(last,)))
    assert isinstance(given, Measured), given
    assert given.rows == last
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import sys; sys.exit('no such table')", "no such table"),
        ("pass", "said nothing"),
        ("print('done')", "no answer"),
        ("print('[1, 2]')", "no answer"),
        (f"print({json.dumps(ANSWER | {'seconds': 0})!r})", "in 0.0 s"),
        ("import time\nwhile True: time.sleep(1)", "limit"),
    ],
)
def test_a_child_that_fails_is_told(text, reason):
    """A contender that cannot run must not look like one that was left out."""
    given = measure(program(text, limit_s=1.0 if reason == "limit" else 60.0))
    assert isinstance(given, Failed)
    assert reason in given.reason


def test_nothing_of_a_child_outlives_its_limit(tmp_path):
    """A server left behind would run beside the next contender."""
    file = tmp_path / "pid"
    text = "import subprocess, sys, time\n"
    text += "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
    text += f" start_new_session=True); open({str(file)!r}, 'w').write(str(p.pid))\n"
    text += "time.sleep(600)"
    assert isinstance(measure(program(text, limit_s=3.0)), Failed)
    assert not runs(int(file.read_text()))


def test_contenders_take_turns_and_one_that_fails_is_not_tried_again():
    """A slow minute of the machine must meet all contenders of a case."""
    order = []

    def run_one(who):
        order.append((who.case, who.name))
        return Failed("broken") if who.name == "b" else run()

    wanted = [contender(n, c) for c in ("q1", "q2") for n in ("a", "b", "c")]
    found = rounds.run(wanted, 2, lambda _: None, run_one)
    first = [("q1", "a"), ("q1", "b"), ("q1", "c"), ("q1", "c"), ("q1", "a")]
    assert order == first + [("q2", name) for _, name in first]
    assert [len(o.runs) for o in found] == [2, 0, 2] * 2
    assert found[1].failure == "broken"


def test_a_disagreement_is_found():
    """A fast wrong answer is the one thing a benchmark must not praise."""
    three = [outcome("a", run()), outcome("b", run()), outcome("c", run(checksum="ff"))]
    assert disagreements(three) == ["q1: c gave checksums ff, but a, b gave ab"]
    two = [outcome("a", run(rows=1)), outcome("b", run(rows=2))]
    assert disagreements(two) == ["q1: the rows differ: a 1, b 2"]
    unsteady = [outcome("a", run(), run(checksum="ff"))]
    assert disagreements(unsteady) == ["q1: a gave different checksums in its own rounds: ab, ff"]


def test_only_what_can_be_compared_is():
    """A contender without a checksum, or of another case, does not disagree."""
    given = [outcome("a", run()), outcome("b", run(checksum=None))]
    assert disagreements([*given, outcome("a", run(rows=9), case="q2")]) == []
    by_clock = {"compares": ("checksum",)}
    given = [outcome("a", run(rows=1), **by_clock), outcome("b", run(rows=2), **by_clock)]
    assert disagreements(given) == []


SECTION = SimpleNamespace(
    NAME="engine",
    targets=lambda outcomes: [
        Target(
            name="q1", wanted="2", found=f"{of(outcomes, 'q1', 'millstream').rate:.0f}", met=False
        )
    ],
    text=lambda outcomes: f"{len(outcomes)} outcomes",
)


def test_the_report_tells_why_an_aim_is_missed(tmp_path, monkeypatch):
    """A miss without its reason is half a result: what people wrote stands under the aims."""
    monkeypatch.setattr(report, "MISSES", tmp_path)
    report.keep("engine", [outcome("millstream", run())], HOST, tmp_path)
    assert "the join is slow" not in report.whole([SECTION], tmp_path)
    (tmp_path / "engine.md").write_text("the join is slow\n")
    assert report.whole([SECTION], tmp_path).rstrip().endswith("the join is slow")


def test_the_report_comes_from_what_was_kept(tmp_path):
    """RESULTS.md is made anew at any time; nothing in it may depend on the run itself."""
    failed = replace(outcome("duckdb"), failure="exit code 1\nno such table")
    report.keep("engine", [outcome("millstream", run(), run(2.0)), failed], HOST, tmp_path)
    text = report.whole([SECTION, SimpleNamespace(NAME="none")], tmp_path)
    assert "2 outcomes" in text
    assert "| q1 | 2 | 750 | **missed** |" in text
    assert "q1, duckdb: exit code 1" in text
    assert "no such table" in text
    assert "2 cores of p" in text
    kept = json.loads((tmp_path / "engine.json").read_text())
    assert all("argv" not in o["contender"] for o in kept["outcomes"])


def test_a_run_of_some_cases_leaves_the_others(tmp_path):
    """The long run is made in pieces; each case says which commit it is of."""
    report.keep(
        "engine", [outcome("millstream", run(), case=c) for c in ("q10", "q2")], HOST, tmp_path
    )
    later = replace(outcome("millstream", run(3.0), case="q2"), commit="e")
    report.keep("engine", [later], HOST, tmp_path)
    found, _ = report.load(tmp_path / "engine.json")
    assert [(o.contender.case, o.commit, o.runs[0].seconds) for o in found] == [
        ("q2", "e", 3.0),
        ("q10", "c", 1.0),
    ]
    assert "several runs: q2: d at e; q10: d at c" in report.whole([SECTION_OF_ANY], tmp_path)


SECTION_OF_ANY = SimpleNamespace(NAME="engine", targets=lambda _: [], text=lambda _: "")


def test_a_trial_is_not_kept():
    """A figure of a million events must not replace one of ten by accident."""
    assert not is_trial(options(arguments(["engine", "--queries", "0,5"])))
    for asked in (["--quick"], ["--events", "1_000"], ["--peers", "duckdb"], ["--profile"]):
        assert is_trial(options(arguments(["engine", *asked])))
    chosen = options(arguments(["--queries", "0,5", "--cores", "1", "--quick"]))
    assert (chosen.queries, chosen.cores, chosen.rounds) == ((0, 5), (1,), 1)
    with pytest.raises(SystemExit):
        arguments(["motor"])


def test_a_section_that_breaks_lets_the_others_run(tmp_path, monkeypatch, capsys):
    """A run takes hours; one broken section must not cost the others."""
    good = program(f"import json; print(json.dumps({ANSWER!r}))")
    sections = {
        "broken": SimpleNamespace(NAME="broken", contenders=lambda _: [good, "no contender"]),
        "good": SimpleNamespace(
            NAME="good", contenders=lambda _: [good], targets=lambda _: [], text=lambda _: "well"
        ),
    }
    monkeypatch.setattr(program_of_all, "section", sections.__getitem__)
    monkeypatch.setattr(program_of_all, "names", lambda: list(sections))
    monkeypatch.setattr(program_of_all, "RESULTS_FILE", tmp_path / "RESULTS.md")
    monkeypatch.setattr(program_of_all.report, "keep", keep_in(tmp_path))
    monkeypatch.setattr(program_of_all.report, "whole", lambda found: whole_of(found, tmp_path))
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--rounds", "1"])
    assert program_of_all.main() == 1
    assert "well" in (tmp_path / "RESULTS.md").read_text()
    assert "Broken" not in (tmp_path / "RESULTS.md").read_text()
    assert "Traceback" in capsys.readouterr().err


KEEP, WHOLE = report.keep, report.whole


def keep_in(folder):
    return lambda name, outcomes, host: KEEP(name, outcomes, host, folder)


def whole_of(sections, folder):
    return WHOLE(sections, folder)
