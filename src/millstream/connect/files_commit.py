"""When a folder of a partitioned table is complete, and the file that says so.

in      the folders that got rows, the clock, and the mark that has passed
state   the folders that are not complete yet and when each was begun; the sink keeps it on disk
out     an empty ``_SUCCESS`` in each complete folder. A folder that gets rows later is complete
        again later, and the file is written anew
when    ``partition-time``: the mark is past the time its values say, plus the delay;
        ``process-time``: it was begun as long ago as the delay; the end of the input completes all
source  Flink's partition commit: its options, and what they mean
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from millstream.connect.files_options import FilesConfig, Trigger
from millstream.connect.files_partitions import Partitions
from millstream.errors import OptionError
from millstream.ports.connector import FINAL_MARK_MS

_TIME = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d{1,9})?)?"
)
_WORD = re.compile(r"\$(\w+)")
_OTHERS = {
    "metastore": "there is no metastore here",
    "custom": "there is no JVM for a class of your own",
}


@dataclass(frozen=True, slots=True)
class Commit:
    """When a partition is complete, and the name of the file that says so."""

    partitions: Partitions
    trigger: Trigger
    delay_ms: int
    pattern: str
    zone: ZoneInfo
    success_name: str

    def due(self, begun: Mapping[str, int], now_ms: int, mark_ms: int) -> list[str]:
        """Return the folders that are complete; ``begun`` says when each was begun."""
        return [f for f, begun_ms in begun.items() if self._is_due(f, begun_ms, now_ms, mark_ms)]

    def _is_due(self, folder: str, begun_ms: int, now_ms: int, mark_ms: int) -> bool:
        if mark_ms == FINAL_MARK_MS:
            return True
        if self.trigger is Trigger.PROCESS_TIME:
            return now_ms >= begun_ms + self.delay_ms
        time_ms = self.time_of(folder)
        return time_ms is not None and mark_ms > time_ms + self.delay_ms

    def time_of(self, folder: str) -> int | None:
        """Return the time a folder says in ms, None where its values are no time."""
        values = self.partitions.texts_of(folder)
        found = _TIME.fullmatch(_filled(self.pattern, values))
        if found is None:
            return None
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
        try:
            time = dt.datetime(year, month, day, hour, minute, second, tzinfo=self.zone)
        except ValueError:
            return None
        return int(time.timestamp() * 1000)


def commit_of(config: FilesConfig, partitions: Partitions | None, where: str) -> Commit | None:
    """Return when folders are complete, None where nothing tells of it."""
    if config.commit_policy is None:
        return None
    if partitions is None:
        raise _wrong(
            "sink.partition-commit.policy.kind",
            "Folders are marked as complete, but the table has none.",
            where,
            "Say PARTITIONED BY (…) before WITH, or leave the option out.",
        )
    for kind in re.split("[,;]", config.commit_policy):
        if kind.strip() != "success-file":
            reason = _OTHERS.get(kind.strip(), "it is unknown")
            raise _wrong(
                "sink.partition-commit.policy.kind",
                f"Folders cannot be marked by '{kind.strip()}': {reason}.",
                where,
                "Say 'success-file'.",
            )
    if not config.success_name.startswith((".", "_")) or "/" in config.success_name:
        raise _wrong(
            "sink.partition-commit.success-file.name",
            f"The name '{config.success_name}' would be read as data.",
            where,
            "Let it begin with _ or . and hold no /.",
        )
    if config.time_extractor != "default":
        raise _wrong(
            "partition.time-extractor.kind",
            f"The time of folders cannot be found by '{config.time_extractor}'.",
            where,
            "Say it as a pattern: 'partition.time-extractor.timestamp-pattern'.",
        )
    pattern = (
        f"${partitions.schema.names[0]}" if config.time_pattern is None else config.time_pattern
    )
    for name in _WORD.findall(_filled(pattern, dict.fromkeys(partitions.schema.names, ""))):
        raise _wrong(
            "partition.time-extractor.timestamp-pattern",
            f"The pattern '{pattern}' reads '{name}', which is not in PARTITIONED BY.",
            where,
            f"It can read {', '.join('$' + p for p in partitions.schema.names)}.",
        )
    try:
        zone = ZoneInfo(config.commit_zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise _wrong(
            "sink.partition-commit.watermark-time-zone",
            f"There is no time zone '{config.commit_zone}'.",
            where,
            "Give a name such as Europe/Berlin, or UTC.",
        ) from None
    return Commit(
        partitions,
        config.commit_trigger,
        config.commit_delay_ms,
        pattern,
        zone,
        config.success_name,
    )


def _filled(pattern: str, values: Mapping[str, str]) -> str:
    """Put values in place of ``$name``; the longest name that fits is meant."""
    names = sorted(map(re.escape, values), key=len, reverse=True)
    return re.sub(rf"\$({'|'.join(names)})", lambda found: values[found[1]], pattern)


def _wrong(name: str, fact: str, where: str, hint: str) -> OptionError:
    error = OptionError(fact, where=where, hint=hint)
    error.option = name
    return error
