"""Which files a path stands for, and how each is opened.

in      a file, a folder (with those below it) or a glob; an optional pattern on the whole path
out     paths in sorted order; names that begin with . or _ are no data (work of other writers)
open    plain, or decompressed by name: .gz .bz2 .xz .zst
"""

from __future__ import annotations

import bz2
import glob
import gzip
import lzma
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import polars as pl

from millstream.columns.physical import polars_type
from millstream.errors import ConnectorError, Domain, OptionError
from millstream.plan.table import Metadata

_GLOB = re.compile(r"[*?\[]")


def plain_path(path: str) -> str:
    """Return a path of this machine, also of a ``file://`` address."""
    if path.startswith("file:"):
        return "/" + path.removeprefix("file:").lstrip("/")
    if re.match(r"^[a-z][a-z0-9+.-]+://", path):
        raise OptionError(
            f"The path '{path}' is not on this machine.", hint="Give a path, or file:///…"
        )
    return path


def pattern_of(text: str | None) -> re.Pattern[str] | None:
    """Return the pattern that paths must match as a whole."""
    if text is None:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise OptionError(
            f"The option 'source.path.regex-pattern' is no pattern: {error}.",
            hint="It must match the whole path, as in '.*/part-.*'.",
        ) from None


def files_at(path: str, pattern: re.Pattern[str] | None) -> list[str]:
    """Return the files there are now."""
    if Path(path).is_dir():
        found = _below(path)
    elif Path(path).exists():
        found = [path]
    elif _GLOB.search(path):
        found = []
        for match in glob.glob(path, recursive=True):  # noqa: PTH207 (absolute globs)
            found += _below(match) if Path(match).is_dir() else [match]
    else:
        found = []
    return sorted({p for p in found if pattern is None or pattern.fullmatch(p)})


def must_exist(path: str, where: str) -> None:
    """Raise ConnectorError where a path stands for nothing."""
    if not Path(path).exists() and not _GLOB.search(path):
        raise ConnectorError(
            f"There is no file or folder '{path}'.",
            where=where,
            hint=f"Relative paths begin at {Path.cwd()}.",
            domain=Domain.CONFIG,
        )


def _below(folder: str) -> list[str]:
    found: list[str] = []
    for base, folders, names in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith((".", "_"))]
        found += [str(Path(base) / n) for n in names if not n.startswith((".", "_"))]
    return found


def is_compressed(path: str) -> bool:
    """Tell whether a file is compressed, by its name."""
    return Path(path).suffix in _OPENERS


def metadata_value(path: str, column: Metadata) -> pl.Series:
    """Return one metadata value of a file."""
    stat = Path(path).stat()
    value: Any
    match column.key:
        case "file.path":
            value = path
        case "file.name":
            value = Path(path).name
        case "file.size":
            value = stat.st_size
        case _:
            assert column.key == "file.modification-time", f"no metadata '{column.key}'"
            changed = pl.Series([stat.st_mtime_ns // 1_000_000], dtype=pl.Int64)
            return changed.cast(pl.Datetime("ms", "UTC")).cast(polars_type(column.type))
    return pl.Series([value], dtype=polars_type(column.type))


def open_file(path: str) -> IO[bytes]:
    """Open a file for reading what it holds, decompressed."""
    return _OPENERS.get(Path(path).suffix, _open_plain)(path)


def read_errors() -> tuple[type[Exception], ...]:
    """Return what reading a file may raise."""
    return OSError, EOFError, lzma.LZMAError, ValueError


def _open_plain(path: str) -> IO[bytes]:
    return Path(path).open("rb", buffering=0)


def _open_gzip(path: str) -> Any:
    return gzip.open(path, "rb")


def _open_bzip2(path: str) -> Any:
    return bz2.open(path, "rb")


def _open_xz(path: str) -> Any:
    return lzma.open(path, "rb")


def _open_zstandard(path: str) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.OSFile(path, "rb"), "zstd")


_OPENERS: dict[str, Callable[[str], IO[bytes]]] = {
    ".gz": _open_gzip,
    ".bz2": _open_bzip2,
    ".xz": _open_xz,
    ".zst": _open_zstandard,
}
