"""The decisions about restarts: two lists, events in and decisions out."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.engine.restarts import (
    UNFORESEEN_TRIES_MAX,
    Delivered,
    Event,
    ExponentialDelay,
    Failed,
    Fault,
    FixedDelay,
    GiveUp,
    Kind,
    NoRestart,
    RestartAfter,
    Restarts,
    Strategy,
    Up,
    fault_of,
)
from millstream.errors import (
    CheckpointError,
    ConnectorError,
    DataError,
    Domain,
    JobError,
    PlanError,
    Retry,
)
from millstream.ports.store import StoreError

LOST = Fault(Kind.TRANSIENT, "broker unreachable", Domain.NETWORK)
WRONG = Fault(Kind.FATAL, "password refused", Domain.AUTH)
BUG = Fault(Kind.UNFORESEEN, "TypeError: no")
GROWING = ExponentialDelay(
    initial_s=1, max_s=10, multiplier=2, jitter=0.1, reset_after_s=60, attempts_max=5
)


def decisions(
    events: list[Event], strategy: Strategy = GROWING, *, checkpoints: bool = True
) -> list[RestartAfter | GiveUp]:
    """Feed events; return what was decided."""
    restarts = Restarts(strategy, checkpoints=checkpoints)
    return [d for d in map(restarts.on_event, events) if d is not None]


def test_waits_grow_up_to_their_limit() -> None:
    """A system that is down is not hammered, and not forgotten either."""
    assert decisions([Up(0, 7), *(Failed(0, LOST, 7) for _ in range(5))]) == [
        RestartAfter(1, 1),
        RestartAfter(2, 2),
        RestartAfter(4, 3),
        RestartAfter(8, 4),
        RestartAfter(10, 5),
    ]


def test_no_progress_is_the_end() -> None:
    """A loop of restarts that gets nowhere hides a failure from whoever could mend it."""
    assert decisions([Up(0, 7), *(Failed(0, LOST, 7) for _ in range(6))])[-1] == GiveUp(5, LOST)


def test_a_new_epoch_is_progress() -> None:
    """The count begins anew, the wait does not: it may fail every second and still progress."""
    events: list[Event] = [Up(0, 7), *(Failed(0, LOST, 7) for _ in range(5))]
    again = decisions([*events, Up(1, 7), Delivered(2, 8), Failed(3, LOST, 8)])[-1]
    assert again == RestartAfter(10, 1)
    assert decisions([*events, Up(1, 7), Failed(3, LOST, 8)])[-1] == RestartAfter(10, 1)


def test_a_long_run_begins_with_a_short_wait() -> None:
    """Yesterday's outage says nothing about today's."""
    events: list[Event] = [Up(0, 7), Failed(1, LOST, 7), Failed(2, LOST, 7), Up(5, 7)]
    assert decisions([*events, Failed(64, LOST, 9)])[-1] == RestartAfter(4, 1)
    assert decisions([*events, Failed(65, LOST, 9)])[-1] == RestartAfter(1, 1)


def test_what_would_come_again_ends_at_once() -> None:
    """A wrong password is not mended by waiting."""
    assert decisions([Up(0, 7), Failed(1, WRONG, 7)]) == [GiveUp(0, WRONG)]


def test_the_unforeseen_is_tried_again_but_not_for_long() -> None:
    """A bug comes again; one more try isolates the row it comes from, then it is told."""
    found = decisions([Up(0, 7), *(Failed(0, BUG, 7) for _ in range(UNFORESEEN_TRIES_MAX + 1))])
    assert found[-1] == GiveUp(UNFORESEEN_TRIES_MAX, BUG)
    assert all(isinstance(d, RestartAfter) for d in found[:-1])


def test_a_fixed_delay_stays() -> None:
    """As many tries as said, each after the same wait."""
    strategy = FixedDelay(delay_s=3, attempts_max=2)
    events: list[Event] = [Up(0, 0), *(Failed(0, LOST, 0) for _ in range(3))]
    wanted = [RestartAfter(3, 1), RestartAfter(3, 2), GiveUp(2, LOST)]
    assert decisions(events, strategy) == wanted


def test_none_gives_up() -> None:
    """Whoever wants no restart gets none."""
    assert decisions([Up(0, 0), Failed(0, LOST, 0)], NoRestart()) == [GiveUp(0, LOST)]


def test_without_epochs_time_is_progress() -> None:
    """Nothing else can tell a pipeline without checkpoints from one that gets nowhere."""
    events: list[Event] = [Up(0, 0), *(Failed(0, LOST, 0) for _ in range(5)), Up(0, 0)]
    assert decisions([*events, Failed(59, LOST, 0)], checkpoints=False)[-1] == GiveUp(5, LOST)
    later = decisions([*events, Failed(60, LOST, 0)], checkpoints=False)[-1]
    assert later == RestartAfter(1, 1)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from("fub"), st.integers(0, 90), st.floats(-1, 1)), max_size=60
    )
)
def test_the_limits_hold_whatever_comes(steps: list[tuple[str, int, float]]) -> None:
    """No wait exceeds its limit, and no more restarts than said come without a new epoch."""
    restarts, now, epoch, alone = Restarts(GROWING, checkpoints=True), 0.0, 7, 0
    restarts.on_event(Up(now, epoch))
    for what, later, chance in steps:
        now += later
        if what == "u":
            restarts.on_event(Up(now, epoch))
            continue
        if what == "b":
            epoch, alone = epoch + 1, 0
            restarts.on_event(Delivered(now, epoch))
            continue
        decision = restarts.on_event(Failed(now, LOST, epoch, chance))
        if isinstance(decision, GiveUp):
            assert alone == GROWING.attempts_max
            return
        assert isinstance(decision, RestartAfter)
        alone += 1
        assert decision.number == alone <= GROWING.attempts_max
        assert 0 < decision.wait_s <= GROWING.max_s * (1 + GROWING.jitter)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectorError("Gone.", retry=Retry.LATER, domain=Domain.NETWORK), Kind.TRANSIENT),
        (ConnectorError("No.", domain=Domain.AUTH), Kind.FATAL),
        (ConnectorError("New owner.", retry=Retry.LATER, domain=Domain.FENCED), Kind.FATAL),
        (StoreError("Full.", retry=Retry.LATER, domain=Domain.LIMIT), Kind.TRANSIENT),
        (PlanError("Wrong."), Kind.FATAL),
        (DataError("A row."), Kind.FATAL),
        (CheckpointError("Torn."), Kind.FATAL),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Kind.TRANSIENT),
        (OSError(errno.EMFILE, "Too many open files"), Kind.TRANSIENT),
        (AssertionError("epochs are delivered in order"), Kind.UNFORESEEN),
        (MemoryError(), Kind.UNFORESEEN),
        (KeyboardInterrupt(), Kind.FATAL),
    ],
)
def test_errors_say_what_can_be_done(error: BaseException, kind: Kind) -> None:
    """Each class of error has one meaning, and the wrapping of a thread's does not change it."""
    assert fault_of(error).kind is kind
    wrapped = JobError("The pipeline failed.")
    wrapped.__cause__ = error
    assert fault_of(wrapped) == fault_of(error)
