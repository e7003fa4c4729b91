"""``millstream stop DIR``: asks the pipeline that runs on a checkpoint folder to end."""

from __future__ import annotations

import time

from millstream.cli.failure import Exit
from millstream.cli.program import settings_of
from millstream.ports.options import with_options
from millstream.settings import Settings


def stop_pipeline(place: str, savepoint: str | None, pairs: list[str], *, drain: bool) -> Exit:
    """Ask, wait for the end, and say where the savepoint is; returns the exit code."""
    from millstream.engine.checkpoint_folder import CheckpointFolder
    from millstream.engine.desk import ask
    from millstream.stores.open import full_address, open_store

    store = open_store(place, with_options(Settings(), settings_of(pairs), owner="settings"))
    CheckpointFolder(store).identity()  # a folder that is none is told as such
    said = {"ask": "stop", "drain": drain}
    if savepoint is not None:
        said["savepoint"] = full_address(savepoint)
    found = ask(store, said, wait=time.sleep)
    print("drained and stopped" if drain else "stopped")
    if savepoint is not None:
        print(f"savepoint of epoch {found['epoch']}: {savepoint}")
    return Exit.OK
