"""The coordinator: two lists, events in and instructions out."""

from __future__ import annotations

from millstream.engine.coordinator import (
    CloseEpoch,
    Coordinator,
    EpochDelivered,
    FinalMark,
    Finish,
    InputEnded,
    StopAsked,
    TurnDone,
)


def coordinator(*, checkpoints: bool = True) -> Coordinator:
    return Coordinator(
        interval_ms=1_000, epoch_bytes_max=500, checkpoints=checkpoints, last_epoch=7
    )


def test_an_epoch_closes_when_its_time_has_come() -> None:
    """Not before, and numbers go on from the last one."""
    c = coordinator()
    assert c.on_event(TurnDone(0, 5, 0)) == []
    assert c.on_event(TurnDone(999, 5, 0)) == []
    assert c.on_event(TurnDone(1_000, 5, 0)) == [CloseEpoch(8)]


def test_an_epoch_closes_early_when_its_output_is_large() -> None:
    """Memory is bounded by bytes, not by time."""
    c = coordinator()
    assert c.on_event(TurnDone(0, 5, 600)) == [CloseEpoch(8)]


def test_nothing_new_is_no_epoch() -> None:
    """An idle pipeline writes nothing."""
    c = coordinator()
    c.on_event(TurnDone(0, 0, 0))
    assert c.on_event(TurnDone(5_000, 0, 0)) == []


def test_two_undelivered_epochs_pause_the_sources() -> None:
    """A slow sink is back-pressure, not a growing heap."""
    c = coordinator()
    c.on_event(TurnDone(0, 1, 0))
    c.on_event(TurnDone(1_000, 1, 0))
    assert not c.paused
    c.on_event(TurnDone(2_000, 1, 0))
    assert c.paused
    assert c.on_event(TurnDone(9_000, 1, 600)) == []
    c.on_event(EpochDelivered(8))
    assert not c.paused


def test_the_end_of_the_input_gives_the_final_mark_and_a_stop_does_not() -> None:
    """Open windows stay in the checkpoint unless no more rows can come."""
    assert coordinator().on_event(InputEnded(1)) == [FinalMark(), CloseEpoch(8), Finish()]
    assert coordinator().on_event(StopAsked(drain=False)) == [CloseEpoch(8), Finish()]
    assert coordinator().on_event(StopAsked(drain=True)) == [FinalMark(), CloseEpoch(8), Finish()]


def test_without_checkpoints_there_are_no_epochs() -> None:
    """Nothing is asked of a writer that is not there."""
    c = coordinator(checkpoints=False)
    assert c.on_event(TurnDone(0, 5, 9_999)) == []
    assert c.on_event(TurnDone(9_000, 5, 9_999)) == []
    assert c.on_event(InputEnded(9_001)) == [FinalMark(), Finish()]
    assert c.on_event(StopAsked(drain=True)) == []
