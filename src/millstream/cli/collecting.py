"""Python's garbage collector while a process starts, and from when a pipeline runs.

start   loading makes some hundred thousand objects that all stay; looking through them again and
        again took a sixth of the time until the first row. It looks seldom meanwhile, not never
run     what was loaded is put out of its sight: a full collection is then about the rows of the
        pipeline and no longer stops it for the tenth of a second that the loaded modules take
not     where a program of the user's has chosen thresholds of its own; in ``import millstream``
"""

from __future__ import annotations

import gc

STARTING = (1_000_000, 10, 10)
_before: list[tuple[int, int, int]] = []


def starting() -> None:
    """Look seldom, until a pipeline runs."""
    _before[:] = [gc.get_threshold()]
    if gc.isenabled():
        gc.set_threshold(*STARTING)


def running() -> None:
    """Look as Python does by itself, at what is made from now on; may be called again."""
    if not _before or gc.get_threshold() != STARTING:
        return
    gc.freeze()
    gc.set_threshold(*_before.pop())
