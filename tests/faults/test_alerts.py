"""An alert fires, is told to a webhook and by mail, and ends, whenever the process is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.faults
ROOT = Path(__file__).parents[2]
LIMIT_S = 240.0
PROGRAM = """
CREATE TABLE loads (
  host STRING, busy INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'in', 'format' = 'json',
        'source.monitor-interval' = '50 ms');
CREATE ALERT hot ON loads WHEN busy > 8 FOR INTERVAL '5' SECOND BY (host) SEVERITY 'critical'
  SUMMARY '{host} is at {busy}'
  TO 'webhook:http://127.0.0.1:%(web)d/hook',
     'email:ops@example.com?smtp=127.0.0.1:%(mail)d&from=ms@example.com';
"""
FIRES = [("a", 9, 0), ("b", 1, 10)]
ENDS = [("a", 1, 20), ("b", 1, 30)]


class Alerting:
    """A pipeline in a folder, and receivers that live on while it is killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes, self.hold = folder / "notes.jsonl", folder / "hold"
        (folder / "in").mkdir()
        self.notes.touch()
        self.receivers = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.alert_receivers", self.notes, self.hold],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.receivers.stdout is not None
        ports = json.loads(self.receivers.stdout.readline())
        (folder / "hot.sql").write_text(PROGRAM % ports)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["-m", "millstream", "run", "hot.sql", "--checkpoint", "checkpoints"]
        words += ["--set", "execution.checkpointing.interval=100ms"]
        words += ["--set", "alerts.group-wait=20ms"]
        with (self.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *words], cwd=self.folder, stdout=log, stderr=log
            )

    def feed(self, name: str, rows: list[tuple[str, int, int]]) -> None:
        lines = [
            json.dumps({"host": h, "busy": b, "ts": f"2026-01-01 00:00:{s:02d}"})
            for h, b, s in rows
        ]
        made = self.folder / f"{name}.tmp"
        made.write_text("\n".join(lines) + "\n")
        made.rename(self.folder / "in" / f"{name}.json")

    def received(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.notes.read_text().splitlines()]

    def records(self) -> list[dict[str, Any]]:
        """What is on the disk: the log of the outbox, as far as it was not compacted."""
        logs = sorted((self.folder / "checkpoints" / "alerts" / "log").glob("0*"))
        return [json.loads(line) for log in logs for line in log.read_text().splitlines()]

    def until(self, happened: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + LIMIT_S
        while not happened():
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "log.txt").read_text()
            assert time.monotonic() < deadline_s, (self.folder / "log.txt").read_text()
            time.sleep(0.001)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(LIMIT_S)

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.receivers.kill()
        self.receivers.communicate()


@pytest.fixture
def alerting(tmp_path: Path) -> Iterator[Alerting]:
    """A pipeline of this test's own; killed with the test."""
    made = Alerting(tmp_path)
    yield made
    made.end()


def reached(alerting: Alerting, moment: str, state: str) -> bool:
    """Tell whether the alert has come so far."""
    if moment == "received":
        return sum(state_of(n) == state for n in alerting.received()) >= 1
    records = alerting.records()
    if moment == "rows":
        rows = [row for r in records if r["do"] == "rows" for row in r["rows"]]
        return state in [row["state"] for row in rows]
    sends = {r["id"] for r in records if r["do"] == "send" and r["keys"][0].endswith(state)}
    if moment == "send":
        return bool(sends)
    return len([r for r in records if r["do"] == "sent" and r["id"] in sends]) == 2


def state_of(said: dict[str, Any]) -> str:
    if said["kind"] == "webhook":
        return str(said["body"]["status"])
    return "firing" if "FIRING" in said["subject"] else "resolved"


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["rows", "send", "received", "sent"])
def test_killed_at_every_step_of_a_notification(moment: str, alerting: Alerting) -> None:
    """Kill -9 costs no alert and makes none; only what was on its way comes again, as itself."""
    for name, rows, state in (("1", FIRES, "firing"), ("2", ENDS, "resolved")):
        alerting.start()
        if moment == "received":
            if state == "resolved":
                alerting.until(lambda: reached(alerting, "sent", "firing"))
            alerting.hold.touch()  # the answer never comes
        alerting.feed(name, rows)
        alerting.until(partial(reached, alerting, moment, state))
        alerting.kill()
        alerting.hold.unlink(missing_ok=True)
    alerting.start()
    alerting.until(
        lambda: all(reached(alerting, "sent", state) for state in ("firing", "resolved"))
    )
    alerting.stop()
    got = alerting.received()
    ids: dict[tuple[str, str], set[str]] = {}
    for said in got:
        ids.setdefault((said["kind"], state_of(said)), set()).add(said["id"])
    assert {key: len(found) for key, found in ids.items()} == {
        (kind, state): 1 for kind in ("webhook", "email") for state in ("firing", "resolved")
    }
    times = Counter(said["id"] for said in got)
    if moment == "sent":  # nothing was on its way
        assert set(times.values()) == {1}
    assert max(times.values()) <= 2
    body = next(s["body"] for s in got if s["kind"] == "webhook" and state_of(s) == "resolved")
    assert body["alerts"][0]["labels"] == {
        "host": "a", "alertname": "hot", "severity": "critical", "job": "hot",
    }  # fmt: skip
    assert body["alerts"][0]["startsAt"] == "2026-01-01T00:00:05.000Z"
    assert body["alerts"][0]["endsAt"] == "2026-01-01T00:00:20.000Z"
