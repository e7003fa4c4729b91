"""The serve section: what its report says follows from what its children tell."""

from __future__ import annotations

from benchmarks.harness.contract import Measured, Options, Outcome
from benchmarks.serve import readers, section
from benchmarks.serve.pipeline import TILES, job_of


def outcome(contender, rate: float, **notes) -> Outcome:
    told = {
        "cpu_s_per_million": 1.0,
        "server_share": 0.1,
        "memory_mib_per_min": 2.0,
        "memory_mib_peak": 300.0,
    } | notes
    run = Measured(
        seconds=1.0, events=int(rate), rows=1, checksum=None, notes=told, wall_s=2.0, cpu_s=1.0,
        memory_bytes_peak=1, load=0.5,
    )  # fmt: skip
    return Outcome(contender=contender, runs=(run,))


def all_outcomes(rates: dict[str, float], **of_stalled) -> list[Outcome]:
    tiles = {
        tile.name: {"frames_per_s": 5.0, "bytes_per_s": 1e3, "stale_ms_p50": 90.0,
                    "stale_ms_worst": 400.0}
        for tile in TILES
    }  # fmt: skip
    found = []
    for one in section.contenders(Options()):
        seen = {"tiles": tiles, "cpu_share": 0.2, "stalled_let_go_s": 21.0}
        notes = {"readers": seen} if one.name in ("watched", "stalled") else {}
        more = of_stalled if one.name == "stalled" else {}
        found.append(outcome(one, rates[one.case] * rates.get(one.name, 1.0), **notes, **more))
    return found


def test_the_aims_follow_from_the_rounds():
    """An aim that cannot be missed is none."""
    good = all_outcomes({"full": 2e6, "paced": 2e5, "watched": 0.995})
    assert [target.met for target in section.targets(good)] == [True] * 4
    bad = all_outcomes({"full": 2e6, "paced": 2e5, "watched": 0.5}, memory_mib_peak=999.0)
    assert [target.met for target in section.targets(bad)] == [False, False, True, False]
    assert {target.met for target in section.targets([])} == {None}


def test_the_report_shows_every_contender_and_tile():
    """What was measured and is not told might as well not have been."""
    said = section.text(all_outcomes({"full": 2e6, "paced": 2e5}))
    assert said.count("| full | watched |") == 2
    assert "let go after 21 s" in said
    assert all(f"| {tile.name} |" in said for tile in TILES)


def test_the_age_of_what_is_shown_counts_until_the_next_frame_is_whole():
    """A reader with half of a version still shows the one before."""
    seen = readers.Seen("top", moves=True)
    for more in (b"", b',"more":true', b""):
        seen.take(b'{"type":"changes","version":2,"at_ms":1000,"total":1' + more + b',"ids":[]}')
    assert (seen.frames, len(seen.stale_ms), seen.shown_ms) == (3, 1, 1000)


def test_the_pipeline_has_the_views_that_the_tiles_show():
    """A tile of a view that is not there would follow nothing."""
    job = job_of(200_000)
    job.check()
    views = {sink.table.options["target"].name for sink in job.plan.sinks}
    assert views == {tile.view for tile in TILES}
