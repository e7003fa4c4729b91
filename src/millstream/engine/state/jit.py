"""How the engine's kernels are compiled: see :mod:`millstream.columns.jit`."""

from __future__ import annotations

from millstream.columns.jit import cache_folder, kernel

__all__ = ["cache_folder", "kernel"]
