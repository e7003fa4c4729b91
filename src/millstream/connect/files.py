"""Files of this machine: one, a folder or a glob, read once or followed; written by epoch.

delivery   exactly once (source: file and place in the checkpoint; sink: one file an epoch)
split      one, ``files``: sorted paths, one after the other
bad row    the line goes to ``rejected`` with the byte it begins at; Parquet has no bad rows
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.connect.files_commit import commit_of
from millstream.connect.files_list import files_at, must_exist, pattern_of, plain_path
from millstream.connect.files_options import FilesConfig
from millstream.connect.files_partitions import partitions_of
from millstream.connect.files_read import Files, FilesReader
from millstream.connect.files_write import FileRules, FilesSink
from millstream.errors import OptionError
from millstream.formats.lines import line_rules
from millstream.ports.connector import Chunk, Connector, Reader, SinkSpec, Source, SourceSpec
from millstream.ports.registry import decoder_for, encoder_for, format_of

if TYPE_CHECKING:
    import polars as pl

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

    def decode(self, documents: pl.DataFrame) -> Chunk | None:
        """Decode lines that were kept; of which file they are, and what its path says, is not."""
        return self._files.decoded_again(documents)

    def test(self) -> None:
        """Look whether there is something to read."""
        must_exist(self._files.path, self._files.where)
        files_at(self._files.path, self._files.pattern)


def _source(spec: SourceSpec) -> FilesSource:
    where = f"table '{spec.table.name}'"
    config: FilesConfig = spec.config
    found, _ = format_of(spec.formats, where)
    _check_header(config, found.name, where)
    parts = partitions_of(spec.table, config.partition_default, where)
    stored, whole = spec.physical, spec.table.physical
    if parts is not None:
        stored, whole = parts.without(stored), parts.without(whole)
    if found.name != "parquet":
        line_rules(spec.formats, where)
        decoder_for(stored, spec.formats, owner=where, whole=whole)
    return FilesSource(
        Files(
            spec=spec,
            stored=stored,
            whole=whole,
            partitions=parts,
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
    parts = partitions_of(spec.table, config.partition_default, where)
    stored = spec.writable if parts is None else parts.without(spec.writable)
    return FilesSink(
        FileRules(
            table=spec.table.name,
            folder=Path(plain_path(config.path)),
            suffix=_SUFFIXES.get(found.name, f".{found.name}"),
            encoder=None if parquet else encoder_for(stored, spec.formats, owner=where),
            parquet=format_config if parquet else None,
            header=config.header,
            file_bytes_max=config.file_bytes_max,
            file_age_ms_max=config.file_age_ms_max,
            look_interval_ms=config.look_interval_ms,
            partitions=parts,
            commit=commit_of(config, parts, where),
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
    filters=lambda table: table.options.get("format") == "parquet" or bool(table.partitions),
    metadata={
        "file.path": "STRING NOT NULL",
        "file.name": "STRING NOT NULL",
        "file.size": "BIGINT NOT NULL",
        "file.modification-time": "TIMESTAMP_LTZ(3) NOT NULL",
    },
    bounded=lambda config: config.monitor_interval_ms is None,
    payload=True,
    partitions=True,
    guarantee="exactly once: place of each file in the checkpoint; one visible file an epoch "
    "and folder",
    aliases=("files",),
)
