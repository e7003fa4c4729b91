"""Keeps one server process for as long as the test session lives, and cleans up behind it.

in      a command, its folder, the process id of the session
out     the command runs in a process group of its own, its output in ``FOLDER/server.log``
end     on SIGTERM, when the session is gone, or when the command ends by itself: the group is
        stopped and the folder removed, so that even ``kill -9`` of pytest leaves nothing
"""

from __future__ import annotations

import argparse
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

POLL_S = 0.3
STOP_WAIT_S = 15.0

_launched: list[
    subprocess.Popen[bytes]
] = []  # kept, or a forgotten handle warns of a running child


def launch(
    command: list[str], folder: Path, *, session: int, stop_with: str, user: str | None = None
) -> subprocess.Popen[bytes]:
    """Start a keeper for `command`; the caller holds the keeper's process, never the server's."""
    line = [sys.executable, str(Path(__file__).resolve()), "--session", str(session)]
    line += ["--folder", str(folder), "--signal", stop_with]
    if user is not None:
        line += ["--user", user]
    started = subprocess.Popen(
        [*line, "--", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _launched.append(started)
    return started


def is_alive(pid: int) -> bool:
    """Whether a process with this id runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state != "Z"


def stop(pid: int, *, wait_s: float = STOP_WAIT_S + 5) -> None:
    """Ask a keeper to end and wait until it has."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    end = time.monotonic() + wait_s
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.05)


def _identity(user: str | None) -> dict[str, object]:
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _end_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    for sent, wait_s in ((number, STOP_WAIT_S), (signal.SIGKILL, STOP_WAIT_S)):
        try:
            if sent is signal.SIGKILL:
                os.killpg(child.pid, sent)
            else:
                child.send_signal(sent)
        except ProcessLookupError:
            return
        try:
            child.wait(wait_s)
        except subprocess.TimeoutExpired:
            continue
        return


def main() -> int:
    """Run the command until told to stop or until the session is gone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--session", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--signal", required=True)
    parser.add_argument("--user")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: told.append(number))
    with (args.folder / "server.log").open("wb") as log:
        child = subprocess.Popen(
            args.command,
            cwd=args.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **_identity(args.user),  # type: ignore[call-overload]
        )
    while child.poll() is None and not told and is_alive(args.session):
        time.sleep(POLL_S)
    failed_alone = child.poll() is not None and not told
    _end_group(child, signal.Signals[args.signal])
    if not failed_alone:  # a server that died by itself leaves its log for the one who waits
        shutil.rmtree(args.folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
