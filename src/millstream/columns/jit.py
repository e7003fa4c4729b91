"""The one door to Numba: how a kernel of the engine or of a format is compiled.

in      a Python function over NumPy arrays and numbers
out     the same function, compiled at its first call (never at import), running without the GIL
state   machine code under ``MILLSTREAM_CACHE`` or the user's cache folder; where neither can be
        written, kernels are compiled anew in each process and a warning says so once
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import config

VERSIONS_KEPT = 4
"""Machine code of so many states of the package is kept side by side."""

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def kernel(fn: Kernel) -> Kernel:
    """Return ``fn`` compiled on first use, cached on disk where that is possible."""
    folder = cache_folder()
    if folder is None:
        compiled: Kernel = numba.njit(nogil=True)(fn)
        return compiled
    # The folder is ours alone: the user's own Numba code keeps the setting it had.
    before = config.CACHE_DIR
    config.CACHE_DIR = folder
    try:
        compiled = numba.njit(nogil=True, cache=True)(fn)
    finally:
        config.CACHE_DIR = before
    _save_alone(compiled, Path(folder))
    return compiled


def _save_alone(compiled: Any, folder: Path) -> None:
    """Let one process at a time add machine code to the folder.

    Numba picks the next free name, writes the index, then the code. Two processes that compile at
    once take the same name for different signatures, and a third one then runs the wrong code: it
    crashes, or worse.
    """
    save = compiled._cache.save_overload

    def locked(signature: Any, data: Any) -> None:
        try:
            with (folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                save(signature, data)
        except OSError:  # the folder went away, as that of an old version: compiled anew next time
            return

    compiled._cache.save_overload = locked


@cache
def cache_folder() -> str | None:
    """Return a writable folder for machine code, or None after a warning."""
    asked = os.environ.get("MILLSTREAM_CACHE")
    for folder in [Path(asked)] if asked else _user_folders():
        kernels = folder / f"kernels-{_sources()}"
        if _is_writable(kernels):
            _forget_old(folder, kernels)
            return str(kernels)
    where = asked or "the user's cache folder"
    warnings.warn(
        f"Compiled kernels cannot be kept: {where} is not writable. They are compiled in every "
        "process, which takes some seconds. Set MILLSTREAM_CACHE to a writable folder.",
        RuntimeWarning,
        stacklevel=2,
    )
    return None


def is_cold() -> bool:
    """Tell whether nothing is compiled yet, so that a first run will take some seconds longer."""
    folder = cache_folder()
    return folder is None or not any(Path(folder).iterdir())


def _sources() -> str:
    """Return a fingerprint of the package's files.

    Numba sees that a kernel's own file has changed, not that a kernel it calls in another file
    has: after an upgrade it would go on with the old machine code of the callee.
    """
    said = hashlib.blake2b(digest_size=6)
    for name, size, changed_ns in sorted(_files(str(Path(__file__).parent.parent), "")):
        said.update(f"{name} {size} {changed_ns};".encode())
    return said.hexdigest()


def _files(folder: str, inside: str) -> Iterator[tuple[str, int, int]]:
    """Give the name, size and time of each file of Python; a fifth of the time ``rglob`` takes."""
    with os.scandir(folder) as found:
        for entry in found:
            if entry.name.endswith(".py"):
                stat = entry.stat()
                yield inside + entry.name, stat.st_size, stat.st_mtime_ns
            elif entry.is_dir():
                yield from _files(entry.path, f"{inside}{entry.name}/")


def _forget_old(folder: Path, current: Path) -> None:
    """Keep the machine code of the few newest versions."""
    kept = sorted(folder.glob("kernels-*"), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in [p for p in kept if p != current][VERSIONS_KEPT - 1 :]:
        shutil.rmtree(old, ignore_errors=True)


def _user_folders() -> list[Path]:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return [Path(base) / "millstream"] if base else []
    xdg = os.environ.get("XDG_CACHE_HOME")
    found = [Path(xdg) / "millstream"] if xdg else []
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home folder
        return found
    tail = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return [*found, home / tail / "millstream"]


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
