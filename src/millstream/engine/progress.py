"""What a running pipeline tells of itself: totals since the start, and how things stand now."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """Where a job is in its life."""

    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often a time fell below each bound; the last count is of what is above all of them.

    ``bounds_s`` grow; ``counts`` (one more than bounds) are not cumulative.
    """

    bounds_s: tuple[float, ...]
    counts: tuple[int, ...]
    sum_s: float


@dataclass(frozen=True, slots=True)
class SplitProgress:
    """One split of a source.

    scan          uid of the step that reads it
    rows, bytes   taken by the compute thread, rejected ones too; payload bytes as read
    rows_waiting  known to wait in the system and in the queue; None = unknown
    watermark_ms  None before the first; ``read_at_ms``: clock time of the newest row, None = none
    """

    scan: str
    table: str
    split: str
    rows: int
    bytes: int
    rows_waiting: int | None
    watermark_ms: int | None
    read_at_ms: int | None
    idle: bool
    ended: bool


@dataclass(frozen=True, slots=True)
class CheckpointProgress:
    """One checkpoint that is durable: from its cut until the sinks had its rows.

    ``at_ms`` is the clock at its cut; ``bytes`` were written for it: what older ones have is not
    written again.
    """

    number: int
    at_ms: int
    took_ms: float
    bytes: int


@dataclass(frozen=True, slots=True)
class StepProgress:
    """One step of the plan.

    kind          ``source``, ``step`` or ``sink``
    inputs        uids of the steps whose rows it takes, late and rejected ones too; each once
    watermark_ms  its mark; None before the first, and after the end of the input
    bytes_in      of sources: payload bytes read; bytes_out, of sinks: bytes of columns given
    rows_dropped  of views: rows that went in this run because there were too many
    """

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
    kind: str = "step"
    inputs: tuple[str, ...] = ()
    watermark_ms: int | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    rows_dropped: int = 0


@dataclass(frozen=True, slots=True)
class SinkProgress:
    """One sink: rows its system accepted and refused, and the guarantee in force.

    bytes_queued  given out and not taken by its system, whole epochs where it takes these
    busy_s        time inside its calls
    """

    name: str
    rows_accepted: int
    rows_refused: int
    exactly_once: bool
    bytes_queued: int = 0
    busy_s: float = 0.0


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
    state         where the job is in its life
    splits        the splits of all sources; of very many some that have ended are left out
    checkpoints   the newest ones of this process, oldest first
    latency       from the moment a chunk was read until its last result was with the sinks
                  (exactly once: until its epoch was); weighted by rows; None = not measured.
                  :mod:`.latency` says exactly what is measured
    waited_s      time in which rows were there, but sinks, memory or answers let none be taken;
                  a pause that somebody asked for is not in it
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
    state: State = State.RUNNING
    splits: tuple[SplitProgress, ...] = ()
    checkpoints: tuple[CheckpointProgress, ...] = ()
    latency: Histogram | None = None
    waited_s: float = 0.0


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
