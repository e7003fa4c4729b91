"""``explain --analyze``: the figures are those of the run, and the run leaves nothing behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import millstream as ms
from millstream.engine.analyzing import Analyzed
from millstream.errors import OptionError
from millstream.frame.run import _job
from millstream.settings import Settings

ROWS = 5_000
SCRIPT = """
SET 'execution.checkpointing.dir' = '{folder}/checkpoints';
CREATE TABLE rows_in (k INT, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
  'connector' = 'datagen', {length}, 'rows-per-second' = '{pace}', 'seed' = '1',
  'start-time' = '2026-01-01T00:00:00', 'fields.k.min' = '0', 'fields.k.max' = '9');
CREATE TABLE counts (k INT, n BIGINT) WITH (
  'connector' = 'filesystem', 'path' = '{folder}/out', 'format' = 'json');
INSERT INTO counts SELECT k, COUNT(*)
FROM TUMBLE(TABLE rows_in, DESCRIPTOR(ts), INTERVAL '1' SECOND)
WHERE v > 0 GROUP BY window_start, window_end, k;
"""


def explained(folder: Path, *args: str, length: str, pace: int = 0) -> str:
    script = folder / "p.sql"
    script.write_text(SCRIPT.format(folder=folder, length=length, pace=pace))
    done = subprocess.run(
        [sys.executable, "-m", "millstream", "explain", str(script), "--analyze", *args],
        capture_output=True, text=True, env={**os.environ}, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_bounded_pipeline_is_run_to_its_end_and_leaves_nothing(tmp_path):
    """A look at a pipeline must not write its results, nor move its checkpoints."""
    text = explained(tmp_path, length=f"'number-of-rows' = '{ROWS}'")
    assert "to the end of its input: 5 000 rows in" in text
    assert re.search(r"Scan rows_in .*(?:\n.*){3}· [\d.]+ s .* 5 000 rows in, 5 000 out", text)
    assert re.search(r"encoding .* [1-9]\d* rows · [\d.]+ \w+ encoded", text)
    assert [path.name for path in tmp_path.iterdir()] == ["p.sql"]


def test_an_endless_pipeline_ends_after_the_time_given(tmp_path):
    """Without an end in sight somebody has to say when the figures are good enough."""
    text = explained(tmp_path, "--for", "500ms", length="'fields.v.min' = '1'", pace=1000)
    assert "and was stopped" in text


def test_the_figures_of_each_step_are_those_of_the_run():
    """Rows, batches and state are counted where they pass: a wrong line is worse than none."""
    frame = pl.DataFrame({"k": [i % 3 for i in range(ROWS)], "v": range(ROWS)})
    out = ms.read_memory(frame).filter(ms.col("v") >= 1000).group_by("k").agg(n=ms.count())
    settings = Settings(chunk_rows_max=1000)
    found = Analyzed(_job((out.write_blackhole(),), settings).derived, settings).run()
    assert found.ended == "completed"
    scan = found.steps[0].did
    (fold,) = (step.did for step in found.steps if step.did.state_rows)
    assert (scan.rows_in, scan.rows_out, scan.batches) == (ROWS, ROWS, 5)
    assert (fold.rows_in, fold.batches, fold.state_rows) == (ROWS - 1000, 4, 3)
    assert fold.rows_out == found.sinks[0].rows
    assert 0 < found.busy_s <= found.elapsed_s
    assert found.waited_s + found.blocked_s <= found.elapsed_s


def test_python_explains_the_same_way(tmp_path):
    """The Python twin of the command runs nothing for real either."""
    place = tmp_path / "rows.jsonl"
    sink = ms.read_memory([{"x": 1}, {"x": 2}]).write_files(str(place), format="json")
    assert "2 rows in" in sink.explain(analyze=True)
    assert not place.exists()
    ms.run(ms.read_memory([{"x": 1}]).write_blackhole())  # what is explained is not run


def test_a_length_of_time_that_is_none_is_refused():
    """`--for soon` must say what it takes, before anything runs."""
    from millstream.cli.inspect import seconds_of

    assert (seconds_of("1.5", "--for"), seconds_of("2 min", "--for")) == (1.5, 120.0)
    for text in ("soon", "0", "-3s", "²"):
        with pytest.raises(OptionError, match="--for"):
            seconds_of(text, "--for")


def test_a_checkpoint_and_figures_exclude_each_other(tmp_path):
    """An option that is silently ignored makes a reader believe figures he did not get."""
    from millstream.cli.inspect import explain_file

    with pytest.raises(OptionError, match="--checkpoint"):
        explain_file(tmp_path / "p.sql", [], str(tmp_path), analyze=True)
