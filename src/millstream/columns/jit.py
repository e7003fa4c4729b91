"""The one door to Numba: how a kernel of the engine or of a format is compiled.

in      a Python function over NumPy arrays and numbers
out     the same function, compiled at its first call (never at import), running without the GIL
state   machine code under ``MILLSTREAM_CACHE`` or the user's cache folder; where neither can be
        written, kernels are compiled anew in each process and a warning says so once
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import config

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
    return compiled


@cache
def cache_folder() -> str | None:
    """Return a writable folder for machine code, or None after a warning."""
    asked = os.environ.get("MILLSTREAM_CACHE")
    for folder in [Path(asked)] if asked else _user_folders():
        if _is_writable(folder / "kernels"):
            return str(folder / "kernels")
    where = asked or "the user's cache folder"
    warnings.warn(
        f"Compiled kernels cannot be kept: {where} is not writable. They are compiled in every "
        "process, which takes some seconds. Set MILLSTREAM_CACHE to a writable folder.",
        RuntimeWarning,
        stacklevel=2,
    )
    return None


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
