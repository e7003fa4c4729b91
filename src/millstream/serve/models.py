"""What the API says, as values: the one shape of each thing for REST, the feed, pages and `top`.

Times are milliseconds since 1970 (``_at_ms``) or durations with their unit in the name; shares are
0 to 1. A rate is that of about the last second. ``None`` means unknown or not there, never zero.
Rows of views and answers are arrays of JSON values in the order of ``columns``: whole numbers
beyond 2**53 and decimals are texts, so that no reader rounds them; instants are ISO 8601.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from millstream.connect.live_view import At

JobState = Literal["running", "paused", "restarting", "stopping", "completed", "stopped", "failed"]
Severity = Literal["info", "warning", "critical"]
AlertState = Literal["pending", "firing", "resolved"]
ChartKind = Literal["number", "line", "bar", "heat", "geo", "table", "top"]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


def _number(value: object) -> object:
    """Refuse what only could be read as a number; 1.0 is a whole number in JSON."""
    if isinstance(value, str | bool):
        raise ValueError("a number is wanted")
    return value


IsNumber = BeforeValidator(_number)


class Said(BaseModel):
    """A value of the API: nothing unnamed goes in or out."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class JobInfo(Said):
    """One job and how it stands."""

    name: str
    state: JobState
    bounded: bool
    exactly_once: bool
    checkpoint_dir: str | None
    started_at_ms: int
    ended_at_ms: int | None
    elapsed_s: float
    rows_in: Count
    rows_out: Count
    rows_late: Count
    rows_rejected: Count
    rows_in_per_s: float
    rows_out_per_s: float
    watermark_ms: int | None
    lag_ms: int | None
    rows_waiting: int | None
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    busy: Share
    """Part of the last second in which the compute thread worked."""
    pressure: Share
    """Part of it in which rows were there and none could be taken (back-pressure)."""
    state_rows: Count
    state_bytes: Count
    spilled_bytes: Count
    memory_bytes: Count
    memory_limit: Count
    queued_bytes: Count
    checkpoint: CheckpointInfo | None
    checkpoint_failures: Count
    restarts: Count
    restart_in_s: float | None
    last_failure: str | None
    can_be_told: bool
    """Whether pause, resume, stop and savepoint are possible now."""
    can_be_started_again: bool = False
    """It has ended, and ``resume`` starts it where its checkpoint left off."""


class CheckpointInfo(Said):
    """One durable checkpoint."""

    number: int
    at_ms: int
    took_ms: float | None
    """None: it was written before this process began."""
    bytes: Count


class JobList(Said):
    """All jobs."""

    items: list[JobInfo]


class CheckpointList(Said):
    """Checkpoints, oldest first."""

    items: list[CheckpointInfo]


class SplitInfo(Said):
    """One split of a source."""

    operator: str
    table: str
    split: str
    rows: Count
    bytes: Count
    rows_waiting: int | None
    watermark_ms: int | None
    read_at_ms: int | None
    idle: bool
    ended: bool


class OperatorInfo(Said):
    """One step of the plan; ``id`` is its state id."""

    id: str
    kind: Literal["source", "step", "sink"]
    name: str
    """Short: ``WindowAggregate``, ``Scan clicks``."""
    label: str
    """In full, as ``explain`` prints it."""
    rows_in: Count
    rows_out: Count
    rows_late: Count
    rows_rejected: Count
    rows_dropped: Count = 0
    """Of views, in this run: they went because it was full."""
    rows_in_per_s: float
    rows_out_per_s: float
    bytes_in: Count
    bytes_out: Count
    bytes_queued: Count = 0
    """Of sinks: given out, and not taken by their system yet."""
    busy: Share
    watermark_ms: int | None
    state_rows: Count
    state_bytes: Count
    splits: list[SplitInfo]


class PlanEdge(Said):
    """Rows go from one step to another."""

    source: str
    target: str
    rows: Count
    rows_per_s: float


class PlanGraph(Said):
    """The steps in topological order, and how they hang together."""

    operators: list[OperatorInfo]
    edges: list[PlanEdge]


class HistoryPage(Said):
    """Series of one job on one time axis; a gap is ``None``."""

    step_s: int
    at_ms: list[int]
    series: dict[str, list[float | None]]


class ColumnInfo(Said):
    """A column and its SQL type."""

    name: str
    type: str


class ChartInfo(Said):
    """How a view is drawn; what its writer left open was chosen from its columns."""

    kind: ChartKind
    title: str
    x: str | None = None
    y: list[str] = []
    by: str | None = None
    order: str | None = None
    """Column with ``-`` before it for the largest first."""
    limit: int | None = None


class ViewInfo(Said):
    """One live view."""

    name: str
    job: str
    columns: list[ColumnInfo]
    key: list[str] | None
    """None: rows only come and are never replaced."""
    rows: Count
    rows_max: Count
    ttl_ms: Count
    version: Count
    changed_at_ms: int | None
    chart: ChartInfo


class ViewList(Said):
    """All live views."""

    items: list[ViewInfo]


class RowsPage(Said):
    """Rows of a view at one version."""

    columns: list[ColumnInfo]
    rows: list[list[Any]]
    version: Count
    total: Count
    next: str | None
    """Give it as ``cursor`` for the rows behind these."""


class QueryAsk(Said):
    """SQL over the live views."""

    sql: Annotated[str, Field(min_length=1, max_length=100_000)]
    limit: Annotated[int, Field(ge=1, le=100_000), IsNumber] = 1_000
    timeout_s: Annotated[float, Field(gt=0, le=60), IsNumber] = 10.0
    at: At = "newest"
    """``committed``: only what the last checkpoint has, and nothing that may be taken back."""


class QueryAnswer(Said):
    """Its rows; ``truncated`` where there were more than asked for."""

    columns: list[ColumnInfo]
    rows: list[list[Any]]
    truncated: bool
    took_ms: float
    versions: dict[str, int]
    """Of each view it read: the version it saw."""


class LetterGroup(Said):
    """Dead letters that are alike."""

    operator: str
    kind: str
    table: str | None
    reason: str
    state: str
    letters: Count
    first_at_ms: int
    last_at_ms: int


class LetterGroupList(Said):
    """Groups, the largest first."""

    items: list[LetterGroup]


class LetterInfo(Said):
    """One row that could not be used."""

    id: str
    kind: str
    state: str
    operator: str
    table: str | None
    reason: str
    at_ms: int
    split: str | None
    offset: int | None
    attempt: Count
    row: dict[str, Any] | None
    raw_text: str | None
    """The bytes, where they are UTF-8: the first megabyte, in lists the first 64 KB."""
    raw_base64: str | None


class LettersPage(Said):
    """Some of the letters."""

    letters: list[LetterInfo]
    next: str | None


class ReplayAsk(Said):
    """Which letters are put through again; without ids, all that the filters name."""

    ids: Annotated[list[str], Field(max_length=10_000)] = []
    operator: str | None = None
    kind: str | None = None
    reason: str | None = None


class ReplayAnswer(Said):
    """The request that was made of them."""

    request: int
    letters: Count


class StopAsk(Said):
    """How a job is stopped."""

    drain: StrictBool = False


class SavepointAsk(Said):
    """Where to; a folder or address."""

    target: Annotated[str, Field(min_length=1, max_length=4_096)]


class SavepointAnswer(Said):
    """The epoch it holds."""

    epoch: int
    target: str


class AlertInfo(Said):
    """One alert of one key."""

    id: str
    """Stable for alert and key."""
    alert: str
    job: str | None
    """None: a health alert of the server."""
    state: AlertState
    severity: Severity
    labels: dict[str, str]
    summary: str
    values: dict[str, Any]
    since_ms: int
    """When its condition came true."""
    fired_at_ms: int | None
    resolved_at_ms: int | None
    silenced: bool
    inhibited: bool
    notified: Count
    failure: str | None
    """Why the last notification could not be delivered; it is tried again."""


class AlertRule(Said):
    """What is watched."""

    name: str
    job: str | None
    condition: str
    for_ms: Count
    severity: Severity
    by: list[str]
    channels: list[str]
    active: Count


class AlertList(Said):
    """Alerts."""

    items: list[AlertInfo]


class AlertRuleList(Said):
    """What is watched."""

    items: list[AlertRule]


class SilenceAsk(Said):
    """Labels that must match (``alert`` and ``severity`` count as labels), and until when."""

    labels: Annotated[dict[str, str], Field(min_length=1, max_length=20)]
    seconds: Annotated[int, Field(ge=1, le=31_536_000), IsNumber]
    comment: Annotated[str, Field(max_length=1_000)] = ""


class SilenceInfo(Said):
    """A silence that is in force or was."""

    id: str
    labels: dict[str, str]
    created_at_ms: int
    ends_at_ms: int
    comment: str


class SilenceList(Said):
    """Silences."""

    items: list[SilenceInfo]


class EventsAnswer(Said):
    """Events are on the disk."""

    accepted: Count
    repeated: bool
    """The idempotency key was known: nothing was taken twice."""


class Health(Said):
    """Whether the server answers, and whether its jobs are as they should be."""

    status: Literal["ok", "not ready"]
    reasons: list[str] = []


class Problem(BaseModel):
    """Why a request was not served (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    hint: str | None = None
    instance: str | None = None
