"""One server for all workers of a session: the first that asks starts it, the session ends it.

state   a folder named by MILLSTREAM_TEST_SERVERS (set by the session's own process and inherited
        by its xdist workers): ``<name>.json`` holds the address or the reason why there is none
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.servers import keeper

VARIABLE = "MILLSTREAM_TEST_SERVERS"


class NoServer(Exception):
    """The server cannot be had on this machine; the text says why and what would help."""


def open_session() -> Path:
    """Make the folder of this session; its keepers live as long as this process."""
    folder = Path(tempfile.mkdtemp(prefix="millstream-servers-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user below it
    os.environ[VARIABLE] = str(folder)
    (folder / "session").write_text(str(os.getpid()))
    return folder


def close_session() -> None:
    """Stop every server of this session and remove its folder."""
    folder = Path(os.environ.pop(VARIABLE))
    for file in folder.glob("*.json"):
        if keeper_pid := json.loads(file.read_text()).get("keeper"):
            keeper.stop(keeper_pid)
    shutil.rmtree(folder, ignore_errors=True)


def forget(name: str) -> None:
    """Let the next who asks for server `name` start another: this one was ended."""
    root = Path(os.environ[VARIABLE])
    (root / f"{name}.json").unlink(missing_ok=True)
    shutil.rmtree(root / name, ignore_errors=True)


def ensure(name: str, start: Callable[[Path, int], dict[str, Any]]) -> dict[str, Any]:
    """Give the description of server `name`, starting it when no worker has done so yet.

    `start(folder, session)` returns it with the keeper's id under "keeper", or raises NoServer;
    the refusal is remembered too, so that a machine without the server asks only once.
    """
    root = Path(os.environ[VARIABLE])
    session = int((root / "session").read_text())
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = root / f"{name}.json"
        if not known.exists():
            folder = root / name
            folder.mkdir()
            try:
                found = start(folder, session)
            except NoServer as reason:
                found = {"missing": str(reason)}
            known.write_text(json.dumps(found))
        found = json.loads(known.read_text())
    if "missing" in found:
        raise NoServer(found["missing"])
    return found
