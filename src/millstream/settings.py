"""Every limit and interval of a pipeline, with its unit and default.

One definition feeds SQL ``SET``, ``--set`` on the command line, the Python API and the docs page:
each field carries an :class:`Option`. Names follow Flink where Flink has the setting.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from enum import Enum
from typing import Any


@dataclass(frozen=True, slots=True)
class Option:
    """How one field of a typed config is said outside Python."""

    name: str
    doc: str
    kind: str = "text"
    """``text int bool duration_ms bytes enum list secret properties any``."""
    secret: bool = False


def option(
    name: str, doc: str, *, default: Any = MISSING, kind: str = "text", secret: bool = False
) -> Any:
    """Declare a field of a config dataclass; without ``default`` the option is required."""
    metadata = {"option": Option(name, doc, kind, secret or kind == "secret")}
    if isinstance(default, dict | list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


class OnReject(Enum):
    """What happens to a row that cannot be used."""

    REJECT = "reject"
    FAIL = "fail"


class WhenFull(Enum):
    """What happens to dead letters where there is no room for more."""

    FAIL = "fail"
    DROP_OLDEST = "drop-oldest"


class DeliveryChoice(Enum):
    """The guarantee asked of a sink; ``auto`` is exactly once wherever checkpoints are kept."""

    AUTO = "auto"
    EXACTLY_ONCE = "exactly-once"
    AT_LEAST_ONCE = "at-least-once"


class RestartStrategy(Enum):
    """What follows a failure that waiting may mend."""

    EXPONENTIAL_DELAY = "exponential-delay"
    FIXED_DELAY = "fixed-delay"
    NONE = "none"


class OutputMode(Enum):
    """In which order the rows of a step that asks the outside go on."""

    ORDERED = "ordered"
    ALLOW_UNORDERED = "allow-unordered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one pipeline."""

    pipeline_name: str = option(
        "pipeline.name", "Name of the pipeline in messages and checkpoints.", default="millstream"
    )
    time_zone: str = option(
        "table.local-time-zone",
        "Zone of TIMESTAMP_LTZ in casts, text and day windows.",
        default="UTC",
    )
    idle_timeout_ms: int = option(
        "table.exec.source.idle-timeout",
        "A split without rows for this long no longer holds the watermark back; 0 = never.",
        default=0,
        kind="duration_ms",
    )
    silence_timeout_ms: int = option(
        "source.silence-timeout",
        "A source silent for this long lets event time run with the clock; 0 = never.",
        default=0,
        kind="duration_ms",
    )
    discovery_interval_ms: int = option(
        "source.discovery-interval",
        "Time between looks for new splits (partitions, files) of endless sources.",
        default=10_000,
        kind="duration_ms",
    )
    chunk_rows_max: int = option(
        "engine.chunk-rows-max", "Most rows of one batch.", default=131_072, kind="int"
    )
    chunk_bytes_max: int = option(
        "engine.chunk-bytes-max", "Most bytes of one batch.", default=64 << 20, kind="bytes"
    )
    split_quantum_rows: int = option(
        "engine.split-quantum-rows",
        "Rows taken from one split before another one has its turn.",
        default=32_768,
        kind="int",
    )
    latency_target_ms: int = option(
        "engine.latency-target",
        "Batches shrink until one takes about this long.",
        default=100,
        kind="duration_ms",
    )
    buffer_bytes_max: int = option(
        "engine.buffer-bytes-max",
        "Most bytes read ahead per source; the source pauses beyond.",
        default=128 << 20,
        kind="bytes",
    )
    memory_limit: int | None = option(
        "memory.limit",
        "Most memory of the process; sources pause and state goes to the disk before it is "
        "reached. Without: 75 % of what the machine or its container has; 0 = no limit.",
        default=None,
        kind="bytes",
    )
    memory_spill_dir: str | None = option(
        "memory.spill-dir",
        "Folder for state that does not fit into memory; without, the system's folder for "
        "temporary files.",
        default=None,
    )
    state_ttl_ms: int = option(
        "table.exec.state.ttl",
        "State of joins, groups and ranks not written for this long is forgotten; 0 = kept.",
        default=0,
        kind="duration_ms",
    )
    early_fire: bool = option(
        "table.exec.emit.early-fire.enabled",
        "Windows also give results before their end; these change until then.",
        default=False,
        kind="bool",
    )
    early_fire_delay_ms: int = option(
        "table.exec.emit.early-fire.delay",
        "Time between early results of a window; 0 = with every batch.",
        default=0,
        kind="duration_ms",
    )
    late_fire: bool = option(
        "table.exec.emit.late-fire.enabled",
        "Windows give results anew for rows that come after their end.",
        default=False,
        kind="bool",
    )
    late_fire_delay_ms: int = option(
        "table.exec.emit.late-fire.delay",
        "Time between late results of a window; 0 = with every batch.",
        default=0,
        kind="duration_ms",
    )
    allow_lateness_ms: int = option(
        "table.exec.emit.allow-lateness",
        "How long after its end a window takes late rows in, by the watermark; 0 = it drops them.",
        default=0,
        kind="duration_ms",
    )
    checkpoint_dir: str | None = option(
        "execution.checkpointing.dir", "Folder of the checkpoints; none without.", default=None
    )
    checkpoint_interval_ms: int = option(
        "execution.checkpointing.interval",
        "Time between checkpoints (at least 50 ms).",
        default=1_000,
        kind="duration_ms",
    )
    checkpoints_retained: int = option(
        "execution.checkpointing.num-retained",
        "Checkpoints kept, two at least.",
        default=3,
        kind="int",
    )
    restore_from: str | None = option(
        "execution.state-recovery.path",
        "A savepoint or checkpoint folder, 'PLACE' or 'PLACE@EPOCH', to begin from in a fresh "
        "checkpoint folder.",
        default=None,
    )
    restore_as_new: bool = option(
        "execution.state-recovery.as-new",
        "Begin from it as a new pipeline: no sink is asked what it has seen, so rows delivered "
        "since may come twice.",
        default=False,
        kind="bool",
    )
    s3_endpoint: str | None = option(
        "s3.endpoint", "Address of a store that speaks S3; Amazon's own without.", default=None
    )
    s3_region: str | None = option(
        "s3.region", "Region of the bucket; without, what the environment says.", default=None
    )
    s3_access_key: Any = option(
        "s3.access-key",
        "Access key; without both keys the environment or the machine's role is asked.",
        default=None,
        kind="secret",
    )
    s3_secret_key: Any = option(
        "s3.secret-key", "Secret key beside the access key.", default=None, kind="secret"
    )
    s3_path_style: bool = option(
        "s3.path-style-access",
        "Buckets are named in the path of requests; 'false' puts them into the host name.",
        default=True,
        kind="bool",
    )
    allow_lost_state: bool = option(
        "execution.savepoint.ignore-unclaimed-state",
        "Start although the checkpoint has state or positions that the changed program cannot use.",
        default=False,
        kind="bool",
    )
    epoch_bytes_max: int = option(
        "engine.epoch-bytes-max",
        "An epoch closes early when its output exceeds this.",
        default=256 << 20,
        kind="bytes",
    )
    fast_path: bool = option(
        "engine.fast-path",
        "Where one Kafka table is the only exactly-once sink, rows are sent as they come and its "
        "commit decides on the epoch; 'false' keeps them in the checkpoint first.",
        default=True,
        kind="bool",
    )
    delivery: DeliveryChoice = option(
        "sink.delivery-guarantee",
        "Guarantee of every sink that does not choose its own.",
        default=DeliveryChoice.AUTO,
        kind="enum",
    )
    on_reject: OnReject = option(
        "pipeline.on-reject",
        "'reject' keeps the row aside and counts it, 'fail' stops the pipeline.",
        default=OnReject.REJECT,
        kind="enum",
    )
    on_reject_steps: dict[str, Any] = option(
        "pipeline.on-reject.*",
        "The same for one step, by its id (see explain) or the name it was given; a table says it "
        "for its own rows with the option 'on-reject'.",
        default={},
        kind="any",
    )
    on_reject_threshold: str | None = option(
        "pipeline.on-reject.threshold",
        "Stops the pipeline once more than such a part of its rows was rejected: "
        "'5 % in 10 min', by default of at least 1000 rows: '5 % in 10 min of 100 rows'.",
        default=None,
    )
    dead_letters_dir: str | None = option(
        "pipeline.dead-letters.dir",
        "Folder or bucket of the dead letters; without, 'dead-letters' in the checkpoint folder.",
        default=None,
    )
    dead_letters_fallback_dir: str | None = option(
        "pipeline.dead-letters.fallback-dir",
        "Their folder where neither that nor checkpoints are set, made when the first one comes; "
        "'millstream run' says '.millstream/<pipeline>/dead-letters'.",
        default=None,
    )
    dead_letters_retention_ms: int = option(
        "pipeline.dead-letters.retention",
        "Dead letters older than this are removed; 0 = never.",
        default=0,
        kind="duration_ms",
    )
    dead_letters_bytes_max: int = option(
        "pipeline.dead-letters.bytes-max",
        "Most bytes of dead letters; 0 = no limit.",
        default=10 << 30,
        kind="bytes",
    )
    dead_letters_when_full: WhenFull = option(
        "pipeline.dead-letters.when-full",
        "'fail' stops the pipeline rather than lose one, 'drop-oldest' removes the oldest.",
        default=WhenFull.FAIL,
        kind="enum",
    )
    dead_letters_only: bool = option(
        "pipeline.dead-letters.replay-only",
        "Put through the letters that 'dlq replay' asked for, read no source, then stop.",
        default=False,
        kind="bool",
    )
    async_output_mode: OutputMode = option(
        "table.exec.async-lookup.output-mode",
        "'ordered': rows that wait for answers go on in the order they came; 'allow-unordered': "
        "batch by batch as answers come.",
        default=OutputMode.ORDERED,
        kind="enum",
    )
    async_asks_max: int = option(
        "table.exec.async-lookup.buffer-capacity",
        "Most batches of rows that wait for answers; sources pause beyond.",
        default=16,
        kind="int",
    )
    async_timeout_ms: int = option(
        "table.exec.async-lookup.timeout",
        "Longest wait for one answer, retries included; the pipeline stops then.",
        default=180_000,
        kind="duration_ms",
    )
    restart_strategy: RestartStrategy | None = option(
        "restart-strategy.type",
        "What follows a failure that waiting may mend. Unset: 'exponential-delay' where "
        "checkpoints are kept, else 'none': without them a restart begins anew.",
        default=None,
        kind="enum",
    )
    restart_backoff_initial_ms: int = option(
        "restart-strategy.exponential-delay.initial-backoff",
        "Wait before the first restart.",
        default=1_000,
        kind="duration_ms",
    )
    restart_backoff_max_ms: int = option(
        "restart-strategy.exponential-delay.max-backoff",
        "Longest wait before a restart.",
        default=60_000,
        kind="duration_ms",
    )
    restart_backoff_multiplier: float = option(
        "restart-strategy.exponential-delay.backoff-multiplier",
        "Each wait is so many times the one before.",
        default=1.5,
        kind="float",
    )
    restart_jitter: float = option(
        "restart-strategy.exponential-delay.jitter-factor",
        "Waits are spread by up to this part of them, so that pipelines do not come all at once.",
        default=0.1,
        kind="float",
    )
    restart_reset_ms: int = option(
        "restart-strategy.exponential-delay.reset-backoff-threshold",
        "After running for so long without a failure, waits begin anew with the first.",
        default=60_000,
        kind="duration_ms",
    )
    restart_attempts_max: int = option(
        "restart-strategy.exponential-delay.attempts-before-reset-backoff",
        "Most restarts without a new checkpoint between them; then the pipeline fails.",
        default=30,
        kind="int",
    )
    restart_fixed_attempts: int = option(
        "restart-strategy.fixed-delay.attempts",
        "As above, for 'fixed-delay'.",
        default=1,
        kind="int",
    )
    restart_fixed_delay_ms: int = option(
        "restart-strategy.fixed-delay.delay",
        "Wait before each restart, for 'fixed-delay'.",
        default=1_000,
        kind="duration_ms",
    )
    batch_timeout_ms: int = option(
        "pipeline.batch-timeout",
        "A step busy with one batch for so long is interrupted: a Python function that never "
        "returns is ended, its row rejected; 0 = it is only told, after 10 s.",
        default=0,
        kind="duration_ms",
    )
    deduplication_window_ms: int = option(
        "source.deduplication-window",
        "A message that a queue sends again within this time is left out, by its id.",
        default=600_000,
        kind="duration_ms",
    )
    deduplication_ids_max: int = option(
        "source.deduplication-ids-max",
        "Most message ids known per source; beyond, the oldest are forgotten early.",
        default=1_000_000,
        kind="int",
    )
    alerts_group_wait_ms: int = option(
        "alerts.group-wait",
        "What happens so soon after a change of the same alert is told in one notification with "
        "it.",
        default=1_000,
        kind="duration_ms",
    )
    alerts_inhibit_by: str = option(
        "alerts.inhibit-by",
        "While an alert fires, less severe ones with the same values of these labels, commas "
        "between, are not told; '*' = exactly the same labels, 'off' = all are told.",
        default="*",
    )
    progress_interval_ms: int = option(
        "cli.progress-interval", "Time between progress lines.", default=1_000, kind="duration_ms"
    )
    seed: int | None = option(
        "pipeline.seed", "Seed of RAND and UUID; random without.", default=None, kind="int"
    )
