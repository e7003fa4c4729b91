"""A real Prometheus on a free loopback port, with the rules we ship; tests add what it scrapes.

needs   the programs ``prometheus`` and ``promtool`` (Debian: prometheus)
out     it looks at a target every half second, and at the list of targets as often
"""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.servers import keeper, ports
from tests.servers.shared import NoServer

START_LIMIT_S = 60.0
STARTS_MAX = 3
ANSWER_LIMIT_S = 90.0
CONFIG = {
    "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "1s"},
    "rule_files": ["rules/*.yml"],
    "scrape_configs": [
        {
            "job_name": "millstream",
            "file_sd_configs": [{"files": ["targets/*.json"], "refresh_interval": "500ms"}],
        }
    ],
}


@dataclass(frozen=True, slots=True)
class PrometheusServer:
    """Where it listens, and the folder in which it looks for its targets."""

    port: int
    folder: str
    keeper: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **query: str) -> Any:
        """Return what its API answers; raises AssertionError with what it complains about."""
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from None
        assert found["status"] == "success", found
        return found["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series an expression gives now."""
        found: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return found

    def number(self, expression: str) -> float | None:
        """Return the only number an expression gives now; None where there is none."""
        found = self.query(expression)
        assert len(found) <= 1, f"{expression} gives {len(found)} numbers"
        return float(found[0]["value"][1]) if found else None

    @contextmanager
    def scraping(self, port: int, name: str) -> Iterator[None]:
        """Have it scrape a port of this machine, until this ends; waits for the first scrape."""
        file = Path(self.folder) / "targets" / f"{name}.json"
        assert not file.exists(), f"{name} is scraped already, by another process of the tests"
        target = {"targets": [f"127.0.0.1:{port}"], "labels": {"test": name}}
        file.write_text(json.dumps([target]))
        try:
            up = f'up{{test="{name}"}} == 1'
            came = ports.wait_until(lambda: bool(self.query(up)), limit_s=ANSWER_LIMIT_S)
            assert came, f"not scraped: {self.get('targets')['activeTargets']}"
            yield
        finally:
            file.unlink()


def start(folder: Path, session: int) -> dict[str, Any]:
    """Start one below ``folder``; NoServer says what is missing."""
    program = program_named("prometheus")
    from millstream.serve.metrics import rules

    for name in ("targets", "rules"):
        (folder / name).mkdir()
    (folder / "rules" / "rules.yml").write_text(rules.rules())
    config = folder / "prometheus.yml"
    config.write_text(json.dumps(CONFIG))  # JSON is YAML
    trouble = ""
    for _ in range(STARTS_MAX):  # the chosen port may be taken before the server binds it
        (port,) = ports.free_ports(1)
        command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
                   f"--web.listen-address=127.0.0.1:{port}",
                   "--storage.tsdb.retention.time=1h", "--log.level=warn"]  # fmt: skip
        held = keeper.launch(command, folder, session=session, stop_with="SIGTERM")
        server = PrometheusServer(port, str(folder), held.pid)
        came = ports.wait_until(lambda h=held, s=server: _settled(h, s), limit_s=START_LIMIT_S)
        if came and held.poll() is None:
            return asdict(server)
        trouble = (folder / "server.log").read_text(errors="replace")[-400:].strip()
        keeper.stop(held.pid)
    raise NoServer(f"Prometheus did not start: {trouble}")


def _settled(held: subprocess.Popen[bytes], server: PrometheusServer) -> bool:
    if held.poll() is not None:
        return True
    try:
        with urllib.request.urlopen(f"{server.url}/-/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def program_named(name: str) -> str:
    """Return the path of ``prometheus`` or ``promtool``; NoServer where it is missing."""
    found = shutil.which(name)
    if found is None:
        raise NoServer(f"the program {name} is missing (apt-get install prometheus)")
    return found
