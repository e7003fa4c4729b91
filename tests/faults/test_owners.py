"""Two processes that both believe to be the pipeline (F8)."""

from __future__ import annotations

import fcntl
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.feed import Feed
from tests.faults.readers import Readers
from tests.faults.scene import Run, Scene, epoch_of

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


def test_f08_a_second_instance_refuses(
    scene: Scene, feed: Callable[..., Feed], readers: Readers
) -> None:
    """The same command twice by mistake: the second says why it does not start, the first goes on.
    """  # fmt: skip
    load = feed().start()
    first = scene.start()
    first.until_epochs(2)
    second = scene.start()
    assert second.wait(240) not in (0, 3)
    assert "Another process runs this pipeline" in second.text()
    now = first.epoch()
    first.until(lambda: first.epoch() >= now + 2)
    first.kill()
    load.stop()
    scene.finish()
    readers.end(load.answer())


def pause(run: Run, files: Path) -> None:
    """Stop a process where it does not hold the lock of its folder of results.

    Within it, an heir rightly waits and then says that somebody has to end the paused process.
    """
    while True:
        run.process.send_signal(signal.SIGSTOP)
        while (
            Path(f"/proc/{run.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T"
        ):
            time.sleep(0.001)
        if not any(map(is_locked, (files / ".millstream").glob("*.lock"))):
            return
        run.process.send_signal(signal.SIGCONT)
        time.sleep(0.01)


def is_locked(path: Path) -> bool:
    with path.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_f08_a_zombie_cannot_commit(
    scene: Scene, feed: Callable[..., Feed], readers: Readers, tmp_path: Path
) -> None:
    """A paused process whose place was taken wakes up: the sinks shut it out, it ends, and says so.

    Its lock is of no use here: the other one runs from a copy of the folder, as on another host.
    """
    load = feed().start()
    zombie = scene.start()
    zombie.until_epochs(3)
    pause(zombie, scene.files)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(scene.checkpoints, elsewhere)
    heir = scene.start(checkpoints=elsewhere)
    begun = epoch_of(elsewhere)
    heir.until(lambda: epoch_of(elsewhere) >= begun + 3)
    zombie.process.send_signal(signal.SIGCONT)
    assert zombie.wait(90) == 1, zombie.text()
    assert "started again elsewhere" in zombie.text() or "Another start" in zombie.text()
    readers.check()
    heir.until(lambda: epoch_of(elsewhere) >= begun + 5)
    heir.kill()
    load.stop()
    last = scene.start(bounded=True, checkpoints=elsewhere)
    assert last.wait(300) in (0, 3), last.text()
    readers.end(load.answer())
