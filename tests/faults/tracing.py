"""kill -9 at the k-th system call of one thread, by ``strace``, counted from a chosen moment.

in      a process that has stopped itself (SIGSTOP, see ``launched``), the threads to watch, k
out     the process goes on and dies when one of these threads *enters* its k-th call that changes
        or tells something outside of the process: files, folders, locks, sockets. Calls that
        only look, wait or take memory are left out: a kill there is one at the next that counts
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.faults.scene import Run

CALLS = (
    "open,openat,creat,close,write,pwrite64,writev,pwritev,ftruncate,fallocate,fsync,fdatasync,"
    "sync_file_range,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,"
    "symlink,flock,fchmod,chmod,connect,sendto,sendmsg,sendmmsg,recvfrom,recvmsg,shutdown"
)
ATTACH_LIMIT_S = 20.0


def need_strace() -> None:
    """Skip or fail where there is no strace; which of them, ``CI`` says."""
    import os

    if shutil.which("strace") is None:
        reason = "strace is missing (apt-get install strace)"
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def is_stopped(pid: int) -> bool:
    """Whether the process stands still by a signal."""
    try:
        return _state(pid) == "T"
    except OSError:
        return False


def threads(pid: int, prefix: str) -> list[int]:
    """Thread ids whose kernel names begin so, in the order they were made."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            if (task / "comm").read_text().rstrip("\n").startswith(prefix):
                found.append(int(task.name))
        except OSError:
            continue  # it has ended meanwhile
    return sorted(found)


def names(pid: int) -> list[str]:
    """The kernel names of all threads, for messages."""
    return sorted((t / "comm").read_text().strip() for t in Path(f"/proc/{pid}/task").iterdir())


class Injection:
    """One strace at work; ``end`` takes it away."""

    def __init__(self, tids: Iterable[int], inject: str, *, calls: str = CALLS) -> None:
        self._tids = list(tids)
        assert self._tids, "no thread to watch"
        which = [word for tid in self._tids for word in ("-p", str(tid))]
        self._strace = subprocess.Popen(
            ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e",
             f"inject={calls}:{inject}", *which],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        end = time.monotonic() + ATTACH_LIMIT_S
        while not all(_is_traced(tid) for tid in self._tids):
            if self._strace.poll() is not None or time.monotonic() > end:
                stderr = self._strace.stderr
                said = "" if stderr is None else stderr.read().decode()
                raise AssertionError(f"strace did not attach: {said}")
            time.sleep(0.002)

    def end(self) -> None:
        if self._strace.poll() is None:
            self._strace.terminate()
        self._strace.wait()
        if self._strace.stderr is not None:
            self._strace.stderr.close()


def killed_at(run: Run, tids: Iterable[int], k: int, *, limit_s: float = 60.0) -> bool:
    """From its stop on, kill the process at the k-th call; False when it came to its next stop.

    The process is dead when this returns: one that came to its next stop is killed there.
    """
    injection = Injection(tids, f"signal=SIGKILL:when={k}")
    try:
        run.process.send_signal(signal.SIGCONT)
        end = time.monotonic() + limit_s
        time.sleep(0.01)  # SIGCONT is taken
        while run.process.poll() is None and not is_stopped(run.pid):
            assert time.monotonic() < end, f"neither killed nor stopped:\n{run.text()}"
            time.sleep(0.002)
        if run.process.poll() is None:
            run.kill()
            return False
    finally:
        run.kill()
        injection.end()
    assert run.process.returncode == -signal.SIGKILL, run.text()
    return True


def _is_traced(tid: int) -> bool:
    try:
        status = Path(f"/proc/{tid}/status").read_text()
    except OSError:
        return False
    return "TracerPid:\t0\n" not in status


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
