"""Whose a folder of result files is, and which epoch is there: one file of state and a lock.

state   ``.millstream/<pipeline>.<table>.json``: last epoch, incarnation, folders not complete yet
lock    a file beside it keeps two processes apart; who waits for it too long gives up, because its
        holder may be a process that was stopped
out     an incarnation that was taken over is shut out (ConnectorError, FENCED), under the lock: it
        can neither add a file nor replace one
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from millstream.connect.epochs import fenced
from millstream.errors import ConnectorError, Domain, Retry
from millstream.stores.disk import sync_folder

STATE_FOLDER: Final = ".millstream"
LOCK_LIMIT_S: Final = 30.0
LOOK_AGAIN_S: Final = 0.02


class Hold:
    """One incarnation's hold on a folder; used by one thread at a time."""

    def __init__(self, folder: Path, table: str, pipeline: str, incarnation: int) -> None:
        self._folder = folder
        self._table = table
        self._pipeline = pipeline
        self._incarnation = incarnation
        name = f"{quote(pipeline, safe='')}.{quote(table, safe='')}.json"
        self.path = folder / STATE_FOLDER / name
        self._depth = 0

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out; may be nested."""
        if self._depth:
            yield
            return
        with self.path.with_suffix(".lock").open("w") as lock:
            self._acquire(lock.fileno())
            self._depth = 1
            try:
                yield
            finally:
                self._depth = 0

    @contextlib.contextmanager
    def owning(self) -> Iterator[None]:
        """Hold the lock, and be sure that no newer start has taken over.

        Start 0 keeps no checkpoints: several may write at a time, each into files of its own.
        """
        if not self._incarnation:
            yield
            return
        with self.locked():
            self.owned()
            yield

    def take_over(self) -> dict[str, Any] | None:
        """Return the state there is; a newer incarnation that is there shuts us out."""
        state = self.state()
        if state is not None and state["incarnation"] > self._incarnation:
            raise fenced(self._pipeline, self._table, self._incarnation, state["incarnation"])
        return state

    def owned(self) -> dict[str, Any]:
        """Return the state, which nobody else has taken over."""
        state = self.state()
        assert state is not None, "rows come after open"
        owner = state["incarnation"]
        if owner != self._incarnation:
            raise fenced(self._pipeline, self._table, self._incarnation, owner)
        return state

    def state(self) -> dict[str, Any] | None:
        """Return what the file of state says; None = there is none."""
        try:
            found = json.loads(self.path.read_bytes())
            return {
                "epoch": found["epoch"],
                "incarnation": int(found["incarnation"]),
                "partitions": {str(f): int(ms) for f, ms in found.get("partitions", {}).items()},
            }
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConnectorError(
                f"The state of the sink is damaged: {self.path}.",
                where=f"table '{self._table}', {self._folder}",
                hint="It says which epoch is there already. Look at the newest part file, then "
                "write the state anew, or use a new folder.",
                domain=Domain.DATA,
            ) from None

    def note(
        self, epoch: int | None, begun: Mapping[str, int] | None, complete: Sequence[str] = ()
    ) -> None:
        """Bring the state to the disk; ``begun`` None: folders are not marked as complete."""
        facts: dict[str, Any] = {"epoch": epoch, "incarnation": self._incarnation}
        if begun is not None:
            # Without checkpoints two starts may write at a time; each adds and takes its own.
            others = (self.state() or {"partitions": {}})["partitions"]
            known = {**others, **begun}
            facts["partitions"] = {f: ms for f, ms in known.items() if f not in complete}
        draft = self.path.with_suffix(".draft")
        with draft.open("w") as file:
            file.write(json.dumps(facts))
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self.path)
        sync_folder(self.path.parent)

    def _acquire(self, lock: int) -> None:
        until_s = time.monotonic() + LOCK_LIMIT_S
        while True:
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until_s:
                    raise ConnectorError(
                        f"Another process has held the folder for {LOCK_LIMIT_S:.0f} s.",
                        where=f"table '{self._table}', {self._folder}",
                        hint="It may be an older start of this pipeline that is paused: end it.",
                        domain=Domain.SYSTEM,
                        retry=Retry.LATER,
                    ) from None
            time.sleep(LOOK_AGAIN_S)
