"""Python's garbage collector: seldom while a process starts, as it was while a pipeline runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from millstream.cli import collecting


@pytest.fixture
def thresholds() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)
    gc.unfreeze()


def test_a_running_pipeline_has_the_collector_it_came_with(
    thresholds: tuple[int, int, int],
) -> None:
    """Collecting seldom is for the start: a pipeline that runs for months must not go on so."""
    collecting.starting()
    assert gc.get_threshold() == collecting.STARTING
    collecting.running()
    assert gc.get_threshold() == thresholds
    frozen = gc.get_freeze_count()
    collecting.running()
    assert frozen
    assert gc.get_freeze_count() == frozen


@pytest.mark.usefixtures("thresholds")
def test_thresholds_of_a_users_program_stay() -> None:
    """Who chose thresholds in his program, after we did, knows better."""
    collecting.starting()
    gc.set_threshold(123, 4, 5)
    collecting.running()
    assert gc.get_threshold() == (123, 4, 5)
    assert gc.isenabled()
