"""Free loopback ports and waiting by polling."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now; held together while chosen, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def is_open(port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(happened: Callable[[], bool], *, limit_s: float, step_s: float = 0.05) -> bool:
    """Poll until `happened()`; False when the limit passed first."""
    end = time.monotonic() + limit_s
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(step_s)
    return True
