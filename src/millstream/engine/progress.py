"""What a running pipeline tells of itself: totals since the start, and how things stand now."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StepProgress:
    """One step of the plan."""

    uid: str
    label: str
    rows_in: int
    rows_out: int
    rows_late: int
    rows_rejected: int
    busy_s: float
    state_bytes: int
    state_rows: int
    spilled_bytes: int = 0
    batches: int = 0


@dataclass(frozen=True, slots=True)
class SinkProgress:
    """One sink: rows its system accepted and refused, and the guarantee in force."""

    name: str
    rows_accepted: int
    rows_refused: int
    exactly_once: bool


@dataclass(frozen=True, slots=True)
class Restarting:
    """A pipeline that failed and waits: for how long still, and for the how many-th time."""

    wait_s: float
    number: int


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at a running pipeline.

    watermark_ms  lowest mark of all scans; None before the first
    lag_ms        clock minus watermark; None without a watermark
    rows_waiting  rows known to wait at the sources; None where no source tells
    rows_per_s    input rate since the look before
    memory_bytes  counted bytes and what the process holds beyond; memory_limit 0 = none
    queued_bytes  read ahead, and given out but not taken by the sinks yet
    spilled_bytes  the part of the state that lies on the disk
    documents_skipped  read documents that hold no row, such as tombstones behind deletes
    restarts      how often it was started again in this process
    last_failure  the last failure, mended or not; None = there was none
    restarting    that it waits to be started again
    checkpoint_failures  checkpoints that could not be written and are tried again
    rows_repeated  rows left out because their message had been read before
    """

    elapsed_s: float
    rows_in: int
    rows_out: int
    rows_late: int
    rows_rejected: int
    rows_per_s: float
    watermark_ms: int | None
    lag_ms: int | None
    rows_waiting: int | None
    state_bytes: int
    state_rows: int
    epoch: int
    batches: int
    steps: tuple[StepProgress, ...]
    sinks: tuple[SinkProgress, ...]
    documents_skipped: int = 0
    memory_bytes: int = 0
    memory_limit: int = 0
    queued_bytes: int = 0
    spilled_bytes: int = 0
    restarts: int = 0
    last_failure: str | None = None
    restarting: Restarting | None = None
    checkpoint_failures: int = 0
    rows_repeated: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended.

    ended       ``"completed"`` (the input ended), ``"stopped"`` (asked to) or ``"drained"``
    state_left  entries of state (open windows, groups) still there; in the checkpoint if any
    reasons     up to ten different reasons of rejected rows, with how often each came
    rows_lost_sight_of  rejected and refused rows that no stream of the program reads
    letters     late, rejected and refused rows that no stream of the program reads
    letters_place  where they are kept; None = they were only counted
    """

    ended: str
    progress: Progress
    state_left: int
    checkpoint: str | None
    reasons: tuple[tuple[str, int], ...] = ()
    rows_lost_sight_of: int = 0
    letters: int = 0
    letters_place: str | None = None
