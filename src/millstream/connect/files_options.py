"""The options of the connector ``filesystem``, with Flink's names and meanings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from millstream.settings import option


class Trigger(Enum):
    """What completes a partition."""

    PROCESS_TIME = "process-time"
    PARTITION_TIME = "partition-time"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesConfig:
    """Where files are, and when they are looked for and finished."""

    path: str = option("path", "A file, a folder or a glob; the sink takes a folder.")
    pattern: str | None = option(
        "source.path.regex-pattern", "Only files whose whole path matches.", default=None
    )
    monitor_interval_ms: int | None = option(
        "source.monitor-interval",
        "Follow the path: look for new files and added lines this often; read once without.",
        default=None,
        kind="duration_ms",
    )
    header: bool = option(
        "header",
        "CSV only: the first line of each file names its columns.",
        default=False,
        kind="bool",
    )
    file_bytes_max: int = option(
        "sink.rolling-policy.file-size",
        "At least once: a file becomes visible when it is this large.",
        default=128 << 20,
        kind="bytes",
    )
    file_age_ms_max: int = option(
        "sink.rolling-policy.rollover-interval",
        "At least once: a file becomes visible when it is this old.",
        default=30 * 60_000,
        kind="duration_ms",
    )
    look_interval_ms: int = option(
        "sink.rolling-policy.check-interval",
        "At least once: how often the age of files is looked at.",
        default=60_000,
        kind="duration_ms",
    )
    partition_default: str = option(
        "partition.default-name",
        "PARTITIONED BY: the folder's name for NULL and for the empty text.",
        default="__DEFAULT_PARTITION__",
    )
    commit_trigger: Trigger = option(
        "sink.partition-commit.trigger",
        "What completes a folder: 'process-time' (the clock) or 'partition-time' (the watermark).",
        default=Trigger.PROCESS_TIME,
        kind="enum",
    )
    commit_delay_ms: int = option(
        "sink.partition-commit.delay",
        "How long after its time (or after its first row) a folder is complete.",
        default=0,
        kind="duration_ms",
    )
    commit_policy: str | None = option(
        "sink.partition-commit.policy.kind",
        "How a complete folder is marked: 'success-file' puts an empty file there; not at all "
        "without.",
        default=None,
    )
    success_name: str = option(
        "sink.partition-commit.success-file.name",
        "The name of that file; it begins with _ or . so that it is not read as data.",
        default="_SUCCESS",
    )
    commit_zone: str = option(
        "sink.partition-commit.watermark-time-zone",
        "The time zone of the times that folders say; for event times of TIMESTAMP_LTZ.",
        default="UTC",
    )
    time_extractor: str = option(
        "partition.time-extractor.kind",
        "How a folder's time is found: only 'default', by the pattern.",
        default="default",
    )
    time_pattern: str | None = option(
        "partition.time-extractor.timestamp-pattern",
        "A folder's time from its columns, as in '$dt $hour:00:00'; the first column without.",
        default=None,
    )
