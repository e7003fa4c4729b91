"""A private PostgreSQL cluster on a free loopback port, in a temporary folder.

needs   the server's programs (Debian: postgresql); run by root they are started as ``postgres``
        or ``nobody``, because PostgreSQL refuses to run as root
out     passwords are checked (scram-sha-256); nothing is synced to disk, a test needs no crash of
        the machine
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.servers import keeper, ports
from tests.servers.shared import NoServer

USER, PASSWORD = "mill", "wheel-secret"
START_LIMIT_S = 60.0
STARTS_MAX = 3
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "64MB",
}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """Where the cluster listens and who may enter; `user` is its superuser."""

    host: str
    port: int
    user: str
    password: str
    keeper: int

    def url(self, database: str = "postgres", *, password: str | None = None) -> str:
        """A postgresql:// address of one database."""
        secret = self.password if password is None else password
        return f"postgresql://{self.user}:{secret}@{self.host}:{self.port}/{database}"

    def url_open(self, database: str = "postgres") -> str:
        """The address without user and password, for options that give them apart."""
        return f"postgresql://{self.host}:{self.port}/{database}"


def start(folder: Path, session: int) -> dict[str, Any]:
    """Make and start a cluster below `folder`; NoServer says what is missing."""
    programs = _programs()
    user = _unprivileged()
    password_file = folder / "password"
    password_file.write_text(PASSWORD)
    data = folder / "data"
    if user is not None:
        entry = pwd.getpwnam(user)
        for path in (folder, password_file):
            os.chown(path, entry.pw_uid, entry.pw_gid)
    made = subprocess.run(
        [programs / "initdb", "-D", data, "-U", USER, f"--pwfile={password_file}",
         "--auth=scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"],
        cwd=folder, capture_output=True, text=True, timeout=START_LIMIT_S, check=False, user=user,
    )  # fmt: skip
    if made.returncode != 0:
        raise NoServer(f"initdb: {made.stderr[-400:].strip()}")
    trouble = ""
    for _ in range(STARTS_MAX):  # the chosen port may be taken before the server binds it
        (port,) = ports.free_ports(1)
        settings = {**SETTINGS, "port": str(port), "unix_socket_directories": str(folder)}
        command = [str(programs / "postgres"), "-D", str(data)]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        held = keeper.launch(command, folder, session=session, stop_with="SIGINT", user=user)
        server = PostgresServer("127.0.0.1", port, USER, PASSWORD, held.pid)
        came = ports.wait_until(lambda h=held, s=server: _settled(h, s), limit_s=START_LIMIT_S)
        if came and held.poll() is None:
            return asdict(server)
        trouble = (folder / "server.log").read_text(errors="replace")[-400:].strip()
        keeper.stop(held.pid)
    raise NoServer(f"PostgreSQL did not start: {trouble}")


def _settled(held: subprocess.Popen[bytes], server: PostgresServer) -> bool:
    return held.poll() is not None or _answers(server)


def _answers(server: PostgresServer) -> bool:
    if not ports.is_open(server.port):
        return False
    import psycopg

    try:
        with psycopg.connect(server.url(), connect_timeout=5) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def _programs() -> Path:
    """The folder of initdb and postgres, the newest version first."""
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3])
    )
    if debian:
        return debian[-1].parent
    found = shutil.which("initdb")
    if found is None:
        raise NoServer("PostgreSQL's initdb is missing (apt-get install postgresql)")
    return Path(found).resolve().parent


def _unprivileged() -> str | None:
    """Who runs the server: nobody special, unless we are root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return name
    raise NoServer("run by root, PostgreSQL needs an unprivileged user, 'postgres' or 'nobody'")
