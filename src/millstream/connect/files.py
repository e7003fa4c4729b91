"""Files of this machine: one, a folder or a glob, read once or followed; written by epoch.

delivery   exactly once (source: file and place in the checkpoint; sink: one file an epoch)
split      one, ``files``: sorted paths, one after the other
bad row    the line goes to ``rejected`` with the byte it begins at; Parquet has no bad rows
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millstream.connect.files_list import files_at, must_exist, pattern_of, plain_path
from millstream.connect.files_read import Files, FilesReader
from millstream.connect.files_write import FileRules, FilesSink
from millstream.errors import OptionError
from millstream.formats.lines import line_rules
from millstream.ports.connector import Connector, Reader, SinkSpec, Source, SourceSpec
from millstream.ports.registry import decoder_for, encoder_for, format_of
from millstream.settings import option

SPLIT = "files"
_SUFFIXES = {
    "json": ".json",
    "csv": ".csv",
    "raw": ".txt",
    "parquet": ".parquet",
    "canal-json": ".json",
    "debezium-json": ".json",
    "maxwell-json": ".json",
}


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


class FilesSource(Source):
    """The files of one path."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.bounded = not files.followed

    def splits(self) -> Sequence[str]:
        """There is one."""
        return (SPLIT,)

    def open(self, split: str, *, resume: Any | None) -> Reader:
        """Read from the first file, or on from the place ``resume``."""
        assert split == SPLIT, f"a path has no split '{split}'"
        must_exist(self._files.path, self._files.where)
        return FilesReader(self._files, resume)

    def test(self) -> None:
        """Look whether there is something to read."""
        must_exist(self._files.path, self._files.where)
        files_at(self._files.path, self._files.pattern)


def _source(spec: SourceSpec) -> FilesSource:
    where = f"table '{spec.table.name}'"
    config: FilesConfig = spec.config
    found, _ = format_of(spec.formats, where)
    _check_header(config, found.name, where)
    if found.name != "parquet":
        line_rules(spec.formats, where)
        decoder_for(spec.physical, spec.formats, owner=where, whole=spec.table.physical)
    return FilesSource(
        Files(
            spec=spec,
            path=plain_path(config.path),
            pattern=pattern_of(config.pattern),
            header=config.header,
            monitor_s=None
            if config.monitor_interval_ms is None
            else config.monitor_interval_ms / 1000,
        )
    )


def _sink(spec: SinkSpec) -> FilesSink:
    where = f"table '{spec.table.name}'"
    config: FilesConfig = spec.config
    found, format_config = format_of(spec.formats, where)
    _check_header(config, found.name, where)
    parquet = found.name == "parquet"
    return FilesSink(
        FileRules(
            table=spec.table.name,
            folder=Path(plain_path(config.path)),
            suffix=_SUFFIXES.get(found.name, f".{found.name}"),
            encoder=None if parquet else encoder_for(spec.writable, spec.formats, owner=where),
            parquet=format_config if parquet else None,
            header=config.header,
            file_bytes_max=config.file_bytes_max,
            file_age_ms_max=config.file_age_ms_max,
        )
    )


def _check_header(config: FilesConfig, name: str, where: str) -> None:
    if config.header and name != "csv":
        raise OptionError(
            f"The option 'header' is for CSV; the format is '{name}'.",
            where=where,
            hint="Leave it out.",
        )


CONNECTOR = Connector(
    name="filesystem",
    doc="Files of this machine, read once or followed, and folders of result files.",
    config=FilesConfig,
    source=_source,
    sink=_sink,
    filters=lambda table: table.options.get("format") == "parquet",
    metadata={
        "file.path": "STRING NOT NULL",
        "file.name": "STRING NOT NULL",
        "file.size": "BIGINT NOT NULL",
        "file.modification-time": "TIMESTAMP_LTZ(3) NOT NULL",
    },
    bounded=lambda config: config.monitor_interval_ms is None,
    payload=True,
    guarantee="exactly once: place of each file in the checkpoint; one visible file an epoch",
    aliases=("files",),
)
