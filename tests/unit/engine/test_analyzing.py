"""A run for its figures: what the settings promise of real sinks must not be in its way."""

from __future__ import annotations

import pytest

from millstream.engine.analyzing import Analyzed
from millstream.frame.sqls import script_of
from millstream.job import Job
from millstream.plan.nodes import Plan

SCRIPT = """
SET 'execution.checkpointing.dir' = '{folder}/checkpoints';
{wish}
CREATE TABLE rows_in (k INT) WITH ('connector' = 'datagen', 'number-of-rows' = '10');
CREATE TABLE rows_out (k INT) WITH (
  'connector' = 'filesystem', 'path' = '{folder}/out', 'format' = 'json' {option});
INSERT INTO rows_out SELECT k FROM rows_in;
"""
ONCE = "'sink.delivery-guarantee' = 'exactly-once'"


@pytest.mark.parametrize(("wish", "option"), [(f"SET {ONCE};", ""), ("", f", {ONCE}")])
def test_sinks_that_must_be_exactly_once_are_analyzed_too(tmp_path, wish, option):
    """Without checkpoints there is no exactly once; a sink that forgets its rows needs none."""
    text = SCRIPT.format(folder=tmp_path, wish=wish, option=option)
    sinks, settings = script_of(text, "p.sql", {})
    job = Job(Plan(tuple(sink.node for sink in sinks)), settings)
    found = Analyzed(job.derived, job.settings).run()
    assert (found.ended, found.sinks[0].rows) == ("completed", 10)
    assert not list(tmp_path.iterdir())
