"""Alerts from a stream to real receivers: webhook, Slack, mail, log, tables."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import millstream as ms
from millstream.connect import alert_channels
from millstream.connect.alert_channels import Channel, ChannelError, channel_of
from millstream.connect.alert_desk import AlertDesk
from millstream.connect.alert_outbox import StoreOutbox
from millstream.connect.alert_values import Alerted, Notification, Policy, Rule, Transition
from millstream.errors import MillstreamError, OptionError, PlanError, TypeMismatch, UnknownName
from millstream.events import fields
from millstream.ports.store import StoreError
from millstream.serve.models import AlertInfo, AlertRule, SilenceInfo
from millstream.stores.disk import DiskStore
from millstream.stores.memory import MemoryStore

ROOT = Path(__file__).parents[2]
LIMIT_S = 90.0
NOW = {"alerts.group-wait": "10ms"}


class Hook:
    """A web server that notes what it is sent; ``answers`` are given first, then 200."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.answers: list[int] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.got.append((dict(self.headers), body))
                self.send_response(hook.answers.pop(0) if hook.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Nothing is written to standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def until(self, count: int) -> list[tuple[dict[str, str], dict[str, Any]]]:
        until(lambda: len(self.got) >= count)
        return self.got


def until(happened: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not happened():
        assert time.monotonic() < deadline_s, "it never came"
        time.sleep(0.005)


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A web server of this test's own."""
    made = Hook()
    yield made
    made.close()


def loads(*rows: tuple[str, int, int]) -> ms.Stream:
    start = datetime(2026, 1, 1)  # noqa: DTZ001 (a TIMESTAMP has no zone)
    made = [{"host": h, "busy": b, "ts": start + timedelta(seconds=s)} for h, b, s in rows]
    return ms.read_memory(made, event_time="ts", watermark="0s")


ROWS = (("a", 9, 0), ("b", 1, 5), ("a", 9, 9), ("a", 1, 20), ("b", 1, 30))


def told(alerts: tuple[Alerted, ...]) -> Notification:
    return Notification(id="n1", receiver="r", alert="hot", alerts=alerts, job="j")


HOT = Alerted(
    alert="hot", fingerprint="f", labels={"host": "<a>"}, state="firing", severity="critical",
    summary="<a> & b", details={"busy": 9, "x": None}, since_ms=1_000, number=1, fired_at_ms=2_000,
)  # fmt: skip


def test_a_stream_tells_a_webhook(hook: Hook) -> None:
    """The shape is Alertmanager's, so that what takes its webhooks takes ours."""
    alert = loads(*ROWS).alert(
        "hot", when=ms.col("busy") > 8, for_="3s", by="host", severity="critical",
        summary="{host} is at {busy}", to=f"webhook:http://127.0.0.1:{hook.port}/x",
    )  # fmt: skip
    alert.run(settings=NOW)
    (first, firing), (second, resolved) = hook.until(2)
    assert first["Idempotency-Key"] != second["Idempotency-Key"]
    assert firing == {
        "version": "4", "groupKey": '{}:{alertname="hot"}', "truncatedAlerts": 0,
        "status": "firing", "receiver": firing["receiver"], "groupLabels": {"alertname": "hot"},
        "commonLabels": firing["alerts"][0]["labels"],
        "commonAnnotations": firing["alerts"][0]["annotations"], "externalURL": "",
        "alerts": [{
            "status": "firing",
            "labels": {
                "host": "a", "alertname": "hot", "severity": "critical", "job": "millstream",
            },
            "annotations": {"summary": "a is at 9", "busy": "9", "ts": "2026-01-01T00:00:00"},
            "startsAt": "2026-01-01T00:00:03.000Z", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "", "fingerprint": firing["alerts"][0]["fingerprint"],
        }],
    }  # fmt: skip
    assert resolved["status"] == "resolved"
    assert resolved["alerts"][0]["endsAt"] == "2026-01-01T00:00:20.000Z"
    assert resolved["alerts"][0]["fingerprint"] == firing["alerts"][0]["fingerprint"]
    assert "/x" not in firing["receiver"]


def test_sql_says_the_same(hook: Hook, tmp_path: Path) -> None:
    """CREATE ALERT over a table, with its transitions in another."""
    text = f"""
      CREATE TABLE changes (alert STRING, state STRING, severity STRING, labels STRING,
        summary STRING, since TIMESTAMP(3), changed_at TIMESTAMP(3), details STRING,
        `number` BIGINT, fingerprint STRING)
        WITH ('connector' = 'filesystem', 'path' = '{tmp_path}', 'format' = 'json');
      CREATE ALERT hot ON loads WHEN busy > 8 FOR INTERVAL '3' SECOND BY (host)
        SEVERITY 'critical' SUMMARY '{{host}} is at {{busy}}' REPEAT INTERVAL '1' HOUR
        TO 'webhook:http://127.0.0.1:{hook.port}/', TABLE changes;
    """
    job = ms.start(*ms.script(text, loads=loads(*ROWS)), settings=NOW)
    job.wait(LIMIT_S)
    assert [body["status"] for _, body in hook.until(2)] == ["firing", "resolved"]
    lines = [json.loads(x) for f in tmp_path.glob("*.json") for x in f.read_text().splitlines()]
    assert [(r["state"], r["number"]) for r in lines] == [
        ("pending", 1), ("firing", 2), ("resolved", 3),
    ]  # fmt: skip
    (book,) = job.alert_books
    (rule,) = book.rules()
    assert (rule.condition, rule.for_ms, rule.by) == ("busy > 8", 3_000, ["host"])
    (info,) = book.history()
    assert info.notified == 2
    for shown, shape in ((info, AlertInfo), (rule, AlertRule)):
        shape.model_validate(asdict(shown))


def test_rows_that_change_are_watched_by_their_key(hook: Hook) -> None:
    """A count per host is an alert per host, with nothing to say."""
    counts = ms.sql("SELECT host, COUNT(*) AS n FROM loads GROUP BY host", loads=loads(*ROWS))
    url = f"webhook:http://127.0.0.1:{hook.port}/"
    counts.alert("many", when=ms.col("n") > 2, to=url).run(settings=NOW)
    ((_, body),) = hook.until(1)
    assert body["alerts"][0]["labels"]["host"] == "a"


@pytest.mark.parametrize(
    ("clause", "error"),
    [
        ("WHEN busy", TypeMismatch),
        ("WHEN bussy > 8", UnknownName),
        ("WHEN busy > 8 BY (hots)", UnknownName),
        ("WHEN busy > 8 SEVERITY 'bad'", UnknownName),
        ("WHEN busy > 8 SUMMARY '{hots}'", UnknownName),
        ("WHEN busy > 8 SUMMARY '{'", PlanError),
        ("WHEN busy > 8 SUMMARY '{busy:.2f}'", PlanError),
        ("WHEN busy > 8 SUMMARY '{busy!r}'", PlanError),
        ("WHEN busy > 8 REPEAT INTERVAL '0' SECOND", PlanError),
        ("WHEN busy > 8 FOR INTERVAL '-1' SECOND", PlanError),
        ("WHEN busy > 8 TO 'pigeon:x'", UnknownName),
        ("WHEN busy > 8 TO 'webhook:nowhere'", OptionError),
        ("WHEN busy > 8 TO 'email:me?smtp=x'", OptionError),
        ("WHEN busy > 8 TO 'email:me@x?smtp=x&pasword=1'", UnknownName),
        ("WHEN busy > 8 TO 'email:a@x?smtp=x&tls=none&user=a&password-env=B'", OptionError),
        ("WHEN busy > 8 TO TABLE nowhere", UnknownName),
        ("WHEN busy > 8 FOR 3", MillstreamError),
        ("WHEN busy > 8 FOR INTERVAL '1' DAY FOR INTERVAL '1' DAY", MillstreamError),
        ("WHEN busy > 8 TELL me", MillstreamError),
        ("WHEN COUNT(*) > 8", MillstreamError),
    ],
)
def test_what_is_wrong_is_told_with_its_place(clause: str, error: type[Exception]) -> None:
    """A typing error in an alert is found before the night in which it should ring."""
    with pytest.raises(error) as told_:
        ms.run(*ms.script(f"CREATE ALERT hot ON loads {clause};", loads=loads(*ROWS)))
    assert told_.value.where is not None  # type: ignore[attr-defined]


def test_two_alerts_of_one_name_are_refused() -> None:
    """A silence of one would hold for the other."""
    one = loads(*ROWS).alert("hot", when=ms.col("busy") > 8)
    two = loads(*ROWS).alert("hot", when=ms.col("busy") > 9)
    with pytest.raises(PlanError, match="Two alerts are called 'hot'"):
        ms.run(one, two)


def test_a_channel_that_fails_is_tried_again(hook: Hook, caplog: Any) -> None:
    """The pipeline goes on meanwhile, and the failure is told in the book."""
    hook.answers = [503, 503]
    desk = AlertDesk(
        [Rule(name="hot", condition="", channels=(channel(hook).name,))],
        {channel(hook).name: channel(hook)},
        policy=Policy(group_wait_ms=0, retry_first_ms=5),
    )
    desk.open("sink", "p", 0)
    desk.take("sink", None, [transition()])
    until(lambda: desk.book.active()[0].notified)
    ids = {headers["Idempotency-Key"] for headers, _ in hook.got}
    assert (len(hook.got), len(ids)) == (3, 1)
    assert desk.book.active()[0].failure is None
    assert "503" in caplog.text
    desk.leave()


def test_a_silence_survives_a_restart(hook: Hook, tmp_path: Path) -> None:
    """Nobody wants to be woken because the pipeline was updated."""
    channels = {channel(hook).name: channel(hook)}
    rules = [Rule(name="hot", condition="", channels=tuple(channels))]

    def opened() -> AlertDesk:
        desk = AlertDesk(
            rules, channels, policy=Policy(group_wait_ms=0),
            outbox=lambda: StoreOutbox(DiskStore(tmp_path)),
        )  # fmt: skip
        opened.starts += 1  # type: ignore[attr-defined]
        desk.open("sink", "p", opened.starts)  # type: ignore[attr-defined]
        return desk

    opened.starts = 0  # type: ignore[attr-defined]
    first = opened()
    made = first.book.silence({"host": "a"}, 3_600, "at work")
    SilenceInfo.model_validate(asdict(made))
    first.take("sink", 1, [transition()])
    first.leave()
    second = opened()
    (info,) = second.book.active()
    assert (info.silenced, info.notified, hook.got) == (True, 0, [])
    second.book.unsilence(made.id)
    hook.until(1)
    with pytest.raises(UnknownName):
        second.book.unsilence("nothing")
    second.leave()
    assert [s.comment for s in opened().book.silences()] == ["at work"]


def test_a_record_that_grows_is_put_together() -> None:
    """The log of a year must not be read at each start, nor lost when it is cut."""
    store = MemoryStore()
    box = StoreOutbox(store)
    assert box.load() == (None, [])
    for n in range(300):
        box.append([{"n": n}])
    assert box.is_long
    box.compact({"all": 300})
    box.append([{"n": 300}])
    assert len(store.names()) == 2
    again = StoreOutbox(store)
    assert again.load() == ({"all": 300}, [{"n": 300}])
    again.append([{"n": 301}])
    with pytest.raises(StoreError, match="Another process"):
        box.append([{"n": 999}])


def test_passwords_come_from_the_environment(hook: Hook, monkeypatch: Any) -> None:
    """What stands in a program, a plan or a log is no secret."""
    url = f"webhook:http://127.0.0.1:{hook.port}/secret-path#bearer-env=ALERT_TOKEN"
    made = channel_of(url)
    with pytest.raises(ChannelError, match="ALERT_TOKEN"):
        made.send(told((HOT,)))
    monkeypatch.setenv("ALERT_TOKEN", "t0ken")
    made.send(told((HOT,)))
    channel_of(f"webhook:http://me:p%40ss@127.0.0.1:{hook.port}/").send(told((HOT,)))
    (first, _), (second, _) = hook.got
    assert first["Authorization"] == "Bearer t0ken"
    assert second["Authorization"] == "Basic bWU6cEBzcw=="
    assert "secret-path" not in repr(made)
    assert "ss@" not in channel_of(f"webhook:http://me:p%40ss@127.0.0.1:{hook.port}/").name


def test_refusals_and_failures_are_told_apart(hook: Hook) -> None:
    """A wrong address will not mend itself; a service that restarts will."""
    retries = []
    for answer in (400, 404, 429, 500, 503, 302):
        hook.answers = [answer]
        with pytest.raises(ChannelError) as failed:
            channel(hook).send(told((HOT,)))
        retries.append((answer, failed.value.retry.value))
    assert retries == [
        (400, "never"), (404, "never"), (429, "later"), (500, "later"), (503, "later"),
        (302, "never"),
    ]  # fmt: skip
    with pytest.raises(ChannelError) as refused:
        channel_of("webhook:http://127.0.0.1:1/").send(told((HOT,)))
    assert refused.value.retry.value == "later"


def test_slack_takes_it(hook: Hook) -> None:
    """Blocks for people, a text for notifications; signs that mean something are escaped."""
    channel_of(f"slack:http://127.0.0.1:{hook.port}/services/T/B/x").send(told((HOT,)))
    ((headers, body),) = hook.got
    assert headers["Idempotency-Key"] == "n1"
    assert body["text"] == "[FIRING:1] hot: &lt;a&gt; &amp; b"
    assert body["blocks"][0]["text"]["text"] == "[FIRING:1] hot: <a> & b"
    (_, section) = body["blocks"]
    assert section["text"]["text"].startswith("🔴 *&lt;a&gt; &amp; b*\n*host* &lt;a&gt;")
    many = told(tuple(replace(HOT, state="resolved", number=n) for n in range(60)))
    channel_of(f"slack:http://127.0.0.1:{hook.port}/").send(many)
    assert len(hook.got[1][1]["blocks"]) == 42


def test_a_mail_is_sent(tmp_path: Path) -> None:
    """A real mail server takes it, under an id that a repeat would have too."""
    receivers = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.alert_receivers", tmp_path / "got", tmp_path / "hold"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert receivers.stdout is not None
        port = json.loads(receivers.stdout.readline())["mail"]
        address = f"email:ops@example.com,b@example.com?smtp=127.0.0.1:{port}&from=ms@example.com"
        channel_of(address).send(told((HOT,)))
    finally:
        receivers.kill()
        receivers.communicate()
    said = json.loads((tmp_path / "got").read_text())
    assert said == {
        "kind": "email", "id": "<n1@example.com>", "subject": "[FIRING:1] hot: <a> & b",
        "to": ["ops@example.com", "b@example.com"],
    }  # fmt: skip


def test_the_log_is_told(caplog: Any) -> None:
    """Without any service: a line with fields."""
    with caplog.at_level(logging.WARNING, "millstream.alerts"):
        channel_of("log").send(told((HOT,)))
    (record,) = caplog.records
    assert record.getMessage().startswith("alert hot host=<a> firing")
    assert fields(record)["labels"] == {"host": "<a>"}


def channel(hook: Hook) -> Channel:
    return channel_of(f"webhook:http://127.0.0.1:{hook.port}/hook")


def transition() -> Transition:
    return Transition(
        alert="hot", fingerprint="f", labels={"host": "a"}, state="firing", severity="warning",
        summary="hot", since_ms=1, at_ms=2, number=1, details={},
    )  # fmt: skip


def test_a_restart_within_the_process_goes_on(hook: Hook, tmp_path: Path) -> None:
    """A pipeline that fails and is started again must neither repeat nor lose what it told."""
    channels = {channel(hook).name: channel(hook)}
    rules = [Rule(name="hot", condition="", channels=tuple(channels))]
    newest = 0
    desk = AlertDesk(
        rules, channels, policy=Policy(group_wait_ms=0), newest_epoch=lambda: newest,
        outbox=lambda: StoreOutbox(DiskStore(tmp_path)),
    )  # fmt: skip
    assert desk.open("sink", "p", 1) is None
    assert desk.take("sink", 1, [transition()])
    desk.take("sink", 2, [])
    hook.until(1)
    desk.leave()
    newest = 3  # written, perhaps not delivered
    assert desk.open("sink", "p", 2) == 2
    assert desk.open("new sink", "p", 2) == 2
    with pytest.raises(MillstreamError, match="started again elsewhere"):
        desk.open("sink", "p", 1)
    assert desk.take("sink", 3, [replace(transition(), state="resolved", number=2)])
    assert not desk.take("sink", 3, [replace(transition(), state="resolved", number=2)])
    assert [body["status"] for _, body in hook.until(2)] == ["firing", "resolved"]
    desk.leave()
    assert not desk.take("sink", 3, [])
    desk.leave()
    assert [info.notified for info in desk.book.history()] == [2]


class Web(Hook):
    """A web server whose answers have headers, and say what they were sent."""

    def __init__(self, answers: list[tuple[int, dict[str, str]]]) -> None:
        super().__init__()
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                web.got.append((dict(self.headers), {"path": self.path}))
                status, headers = answers.pop(0)
                self.send_response(status)
                body = str(self.headers).encode()
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Nothing is written to standard error."""

        self._server.RequestHandlerClass = Handler


def test_a_receiver_says_when_to_come_back() -> None:
    """Slack and others shut out who does not heed it."""
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    asks = ["30", later, "soon", "-5"]
    web = Web([*((429, {"Retry-After": text}) for text in asks), (503, {})])
    waits = []
    for _ in range(5):
        with pytest.raises(ChannelError) as failed:
            channel(web).send(told((HOT,)))
        waits.append(failed.value.wait_s)
    web.close()
    assert waits[0] == 30
    assert 0 < waits[1] <= 90
    assert waits[2:] == [0, 0, 0]


def test_a_receiver_that_shows_what_it_got_shows_no_secret(monkeypatch: Any) -> None:
    """The reason of a failure is on a page and in the log."""
    monkeypatch.setenv("ALERT_TOKEN", "t0ken-of-the-test\n")  # a file's line end is none of it
    web = Web([(400, {}), (302, {"Location": "http://example.com/"})])
    made = channel_of(f"webhook:http://127.0.0.1:{web.port}/a%20bä?x=1#bearer-env=ALERT_TOKEN")
    with pytest.raises(ChannelError, match=r"\*\*\*") as failed:
        made.send(told((HOT,)))
    assert "t0ken" not in str(failed.value)
    with pytest.raises(ChannelError, match="redirects are not followed"):
        made.send(told((HOT,)))
    web.close()
    assert web.got[0][1]["path"] == "/a%20b%C3%A4?x=1"
    assert web.got[0][0]["Authorization"] == "Bearer t0ken-of-the-test"
    monkeypatch.setenv("ALERT_TOKEN", "one\ntwo")
    with pytest.raises(ChannelError, match="more than one line") as failed:
        made.send(told((HOT,)))
    assert "two" not in str(failed.value)


def test_names_of_channels_hold_for_ever() -> None:
    """By its name a channel is known over restarts; a new password makes no new one."""

    def name(said: str) -> str:
        return channel_of(f"webhook:{said}").name

    assert name("http://me:one@h/x") == name("http://me:two@h/x")
    different = ["http://h/x", "http://h/y", "http://me:one@h/x", "http://h/x#bearer-env=A",
                 "http://h/x?y", "http://h", "http://h:81"]  # fmt: skip
    assert len({name(said) for said in different}) == len(different)


@pytest.mark.parametrize(
    "address", ["http://h:99999/", "http://h:x/", "http://h:0/", "http://[::1/", "http://h/a b",
                "http://h/a\nb", "http:///x", "ftp://h/x"]
)  # fmt: skip
def test_an_address_of_no_service(address: str) -> None:
    """It is told where it is written, without a traceback."""
    with pytest.raises(OptionError) as told_:
        channel_of(f"webhook:{address}")
    assert "/a" not in str(told_.value)


def test_a_hook_that_trickles_is_cut_off(monkeypatch: Any) -> None:
    """A byte now and then is no answer; its channel goes on."""
    monkeypatch.setattr(alert_channels, "SEND_S_MAX", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(ChannelError) as failed:
        channel_of(f"webhook:http://127.0.0.1:{server.getsockname()[1]}/").send(told((HOT,)))
    assert failed.value.retry.value == "later"


def test_lines_of_the_log_are_lines(caplog: Any) -> None:
    """A value with a line end must not look like another line of the log."""
    with caplog.at_level(logging.WARNING, "millstream.alerts"):
        channel_of("log").send(told((replace(HOT, summary="a\n2026-01-01 ERROR b"),)))
    assert "\n" not in caplog.records[0].getMessage()
