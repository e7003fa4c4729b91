"""A broker of a test module's own, behind a proxy, that can be ended and started again."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.faults.proxy import Proxy
from tests.servers import kafka as kafka_server
from tests.servers import keeper, shared
from tests.servers.ports import free_ports, wait_until

END_LIMIT_S = 120.0
START_LIMIT_S = 60.0


class Broker:
    """Reached by ``server.plain`` directly, and by ``behind`` through the proxy."""

    def __init__(self, name: str) -> None:
        proxied, bootstrap = free_ports(2)
        self._name = f"{name}-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
        found = shared.ensure(
            self._name,
            lambda folder, session: kafka_server.start(
                folder, session, listens=bootstrap, advertised=proxied
            ),
        )
        self.server = kafka_server.KafkaServer(**found)
        self.proxy = Proxy(bootstrap, port=proxied)
        self.behind = f"127.0.0.1:{proxied}"
        self._keeper = self.server.keeper
        self._held: subprocess.Popen[bytes] | None = None
        self._pid = _child_of(self._keeper)
        self._folder = Path(self.server.ca_file).parent
        line = Path(f"/proc/{self._pid}/cmdline").read_bytes()
        self._command = [word.decode() for word in line.split(b"\0") if word]

    def end(self, number: signal.Signals) -> None:
        """Send a signal to the broker and wait until it is gone; its data stays."""
        os.kill(self._pid, number)
        gone = wait_until(lambda: not keeper.is_alive(self._keeper), limit_s=END_LIMIT_S)
        assert gone, f"the broker lives on after {number.name}"
        if self._held is not None:
            self._held.wait()

    def start_again(self) -> None:
        """Start it with the data it has, and wait until it answers."""
        session = int((Path(os.environ[shared.VARIABLE]) / "session").read_text())
        self._held = keeper.launch(
            self._command, self._folder, session=session, stop_with="SIGKILL"
        )
        self._keeper = self._held.pid
        answers = wait_until(
            lambda: kafka_server._answers(self.server.plain), limit_s=START_LIMIT_S
        )
        assert answers, (self._folder / "server.log").read_text(errors="replace")[-600:]
        self._pid = _child_of(self._keeper)

    def close(self) -> None:
        """End the proxy and the broker; whoever comes back to the module gets another."""
        self.proxy.close()
        keeper.stop(self._keeper)
        shared.forget(self._name)


def _child_of(pid: int) -> int:
    found: list[str] = []

    def there() -> bool:
        found[:] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return bool(found)

    assert wait_until(there, limit_s=10), "the keeper has no child"
    return int(found[0])
