"""``millstream bench``: what it prints, what it refuses, and what it needs for a plot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from millstream.cli.bench import _rates, bench_file
from millstream.errors import MissingExtra, OptionError
from millstream.frame.measured_plot import Line, plot

SCRIPT = """
CREATE TABLE orders (id BIGINT, country STRING, amount DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts) WITH ('connector' = 'kafka', 'topic' = 'orders',
  'properties.bootstrap.servers' = 'nowhere:9092', 'format' = 'json');
CREATE TABLE big (id BIGINT, amount DOUBLE) WITH (
  'connector' = 'filesystem', 'path' = '{folder}/out', 'format' = 'json');
INSERT INTO big SELECT id, amount FROM orders WHERE amount > 0.5;
"""

COMPUTED = """
CREATE TABLE seen (ms BIGINT, ts AS TO_TIMESTAMP_LTZ(ms, 3), WATERMARK FOR ts AS ts) WITH (
  'connector' = 'kafka', 'topic' = 'seen', 'properties.bootstrap.servers' = 'nowhere:9092',
  'format' = 'json');
CREATE TABLE counts (n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO counts SELECT COUNT(*)
FROM TUMBLE(TABLE seen, DESCRIPTOR(ts), INTERVAL '1' SECOND) GROUP BY window_start, window_end;
"""


def script_in(folder: Path) -> Path:
    script = folder / "p.sql"
    script.write_text(SCRIPT.format(folder=folder))
    return script


def test_a_pipeline_is_measured_without_its_systems(tmp_path):
    """Nobody wants to load a production broker, or write a million rows, to learn a figure."""
    script = script_in(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "millstream", "bench", str(script), "--seconds", "0.6",
         "--rates", "500,2k", "--rows", "1000", "--json"],
        capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [at["events_per_s"] for at in found["rates"]] == [500.0, 2000.0]
    assert all(at["latency"]["events"] > 0 for at in found["rates"])
    assert found["most_per_s"] > 0
    assert not (tmp_path / "out").exists()


def test_the_screen_names_what_was_measured(tmp_path, capsys, monkeypatch):
    """Figures without their conditions are no figures; a recorded sample is named."""
    monkeypatch.chdir(tmp_path)
    sample = tmp_path / "sample.jsonl"
    row = {"id": 1, "country": "de", "amount": 2.0, "ts": "2026-01-01 00:00:00.000"}
    sample.write_text(json.dumps(row) + "\n")
    bench_file(script_in(tmp_path), [], seconds="2", rates="1k", sample=sample)
    text = capsys.readouterr().out
    for part in ("of " + str(sample), "at most", "slowest step", "p99.99", "machine"):
        assert part in text


def test_rows_that_come_late_are_told(tmp_path, capsys, monkeypatch):
    """A computed time begins anew with the sample: a rate of rows that are dropped is none."""
    monkeypatch.chdir(tmp_path)
    sample, script = tmp_path / "sample.jsonl", tmp_path / "p.sql"
    first_ms = 1_700_000_000_000
    sample.write_text("".join(f'{{"ms": {first_ms + 10 * i}}}\n' for i in range(500)))
    script.write_text(COMPUTED)
    bench_file(script, [], seconds="0.5", rates="100", sample=sample, as_json=True)
    assert json.loads(capsys.readouterr().out)["rows_late"] > 0


def test_rates_are_read_with_their_units():
    """A rate that is none must not cost minutes of measuring something else."""
    assert _rates("2M,1k,500") == [500.0, 1_000.0, 2_000_000.0]
    for text in ("fast", "0", "1k,,2k", "-5"):
        with pytest.raises(OptionError, match="--rates"):
            _rates(text)


def test_a_plot_without_matplotlib_says_what_to_install(monkeypatch, tmp_path):
    """The extra is named before minutes are spent."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"matplotlib[^→]*→.*millstream\[bench\]"):
        bench_file(script_in(tmp_path), [], plot=tmp_path / "plot")


def test_a_plot_is_two_files(tmp_path):
    """PNG for a look, SVG for a page."""
    pytest.importorskip("matplotlib")
    line = Line("p99", ((1_000.0, 1.5), (10_000.0, 2.5)))
    files = plot([("", [line, Line("machine", line.points, faint=True)])], "t", tmp_path / "p")
    assert [file.name for file in files] == ["p.png", "p.svg"]
    assert files[0].read_bytes().startswith(b"\x89PNG")
    assert "<svg" in files[1].read_text()
