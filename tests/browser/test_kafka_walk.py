"""The whole dashboard in a real browser, on a pipeline that a real Kafka feeds.

What is on the pages must be what the API, a real Prometheus and the topic say; what is done on them
must happen; and nothing may stand in the way of keyboards and screen readers (axe-core).
"""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer
from playwright.sync_api import Page, expect

from millstream.frame.sqls import script_of
from millstream.job import Job
from millstream.plan.nodes import Plan
from millstream.serve.health import Health
from millstream.serve.hub import Hub
from millstream.serve.server import Serving
from tests.browser.conftest import Opened

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaServer
    from tests.servers.prometheus import PrometheusServer

pytestmark = [pytest.mark.browser, pytest.mark.kafka, pytest.mark.prometheus]
AXE = (Path(__file__).parent / "vendor" / "axe.js").read_text(encoding="utf-8")
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Experimental, and off unless its tag is named: it takes texts that the frame of a plan clips, as
# on a phone, as missing, and then misses them in the name. On laptops it finds nothing.
AXE_RULES = {"label-content-name-mismatch": {"enabled": False}}
JOB = "payments"
LIMIT_S = 180.0
BROKEN_EVERY = 50
LARGE = 5_000
SQL = """
SET 'pipeline.name' = 'payments';
SET 'source.discovery-interval' = '500 ms';
CREATE TABLE payments (id BIGINT, account BIGINT, amount STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts)
WITH ('connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{servers}',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE VIEW paid AS SELECT id, account, CAST(amount AS BIGINT) AS amount, ts FROM payments;
CREATE MATERIALIZED VIEW total AS SELECT COUNT(*) AS payments, SUM(amount) AS paid FROM paid;
CREATE MATERIALIZED VIEW accounts AS
  SELECT account, COUNT(*) AS payments, SUM(amount) AS paid FROM paid GROUP BY account;
CREATE MATERIALIZED VIEW per_second AS
  SELECT window_end, COUNT(*) AS payments
  FROM TUMBLE(TABLE paid, DESCRIPTOR(ts), INTERVAL '1' SECOND) GROUP BY window_start, window_end;
CREATE ALERT large_payment ON (SELECT account, MAX(amount) AS largest FROM paid GROUP BY account)
  WHEN largest >= 5000 SEVERITY 'critical' BY (account) TO ('log');
"""


@dataclass
class Feed:
    """Writes payments into a topic until it is told to stop."""

    servers: str
    topic: str
    sent: int = 0
    broken: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, or begin again."""
        self._over.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; every payment is with the broker then."""
        self._over.set()
        assert self._thread is not None, "it was started"
        self._thread.join()

    def _run(self) -> None:
        producer = Producer({"bootstrap.servers": self.servers, "linger.ms": 5})
        while not self._over.wait(0.05):
            for _ in range(20):
                producer.produce(self.topic, json.dumps(self._next()).encode())
            producer.flush()

    def _next(self) -> dict[str, Any]:
        n, self.sent = self.sent, self.sent + 1
        is_broken = n % BROKEN_EVERY == BROKEN_EVERY - 1
        self.broken += is_broken
        amount = "a lot" if is_broken else str(LARGE if n == 7 else n % 100)
        now = time.time()
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
        ms = int(now * 1000) % 1000
        return {"id": n, "account": n % 25, "amount": amount, "ts": f"{stamp}.{ms:03d}"}


@dataclass(frozen=True, slots=True)
class Walk:
    """A pipeline fed by Kafka, and the server beside it."""

    url: str
    feed: Feed

    def get(self, path: str) -> Any:
        """Return what the API answers."""
        with urllib.request.urlopen(f"{self.url}/v1{path}", timeout=60) as answer:
            return json.load(answer)

    def job(self) -> dict[str, Any]:
        """Return what it says of the job."""
        found: dict[str, Any] = self.get(f"/jobs/{JOB}")
        return found

    def next_look(self) -> dict[str, Any]:
        """Return how the job stands some time from now: what the API says is up to a second old."""
        old_s = self.job()["elapsed_s"]
        until(lambda: self.job()["elapsed_s"] > old_s, "the hub looks again")
        until(lambda: self.job()["elapsed_s"] > old_s + 1, "and again")
        return self.job()

    def settled(self) -> dict[str, Any]:
        """Stop the feed and wait until everything sent was read."""
        self.feed.stop()
        until(lambda: self.job()["rows_in"] == self.feed.sent, "all payments are read")
        return self.job()


def until(holds: Callable[[], object], what: str) -> None:
    """Wait for something to become true."""
    end_s = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < end_s, f"not in time: {what}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def walk(kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The pipeline of this module; it can be stopped and started again."""
    feed = Feed(kafka.plain, f"payments-{uuid.uuid4().hex[:12]}")
    feed.start()
    text = SQL.format(topic=feed.topic, servers=kafka.plain)
    folder = tmp_path_factory.mktemp("walk")
    options = {
        "execution.checkpointing.dir": str(folder / "state"),
        "execution.checkpointing.interval": "500 ms",
    }
    until(lambda: feed.sent >= 100, "the topic is there")
    sinks, settings = script_of(text, "payments.sql", options)
    job = Job(Plan(tuple(sink.node for sink in sinks)), settings)
    hub = Hub()
    with Health(hub, ()) as health, hub.looking():
        hub.add(job, job.start(), again=job.start)
        with Serving(hub, "127.0.0.1:0", health=health) as server:
            yield Walk(server.url.rstrip("/"), feed)
        feed.stop()
        hub.held(JOB).running.stop()


def figure(page: Page, name: str) -> str:
    """Return what a figure of the job's page says in all."""
    inside = page.locator(".figure", has=page.get_by_text(name, exact=True))
    return inside.locator(".figure-note").inner_text()


def number(text: str) -> int:
    """Return the number in a text as people read it."""
    return int(re.sub(r"\D", "", text) or -1)


def test_figures_are_those_of_the_topic_the_api_and_prometheus(
    opened: Opened, walk: Walk, prometheus: PrometheusServer
) -> None:
    """Three places tell one number: the page, the API, Prometheus; and the topic has as many."""
    page = opened(f"#/jobs/{JOB}", url=walk.url)
    first = number(figure(page, "Rows in"))
    until(lambda: number(figure(page, "Rows in")) > first, "the figure moves")
    port = int(walk.url.rpartition(":")[2])
    with prometheus.scraping(port, f"walk-{port}"):
        job = walk.settled()
        read = f'millstream_job_input_rows_total{{test="walk-{port}"}}'
        until(lambda: prometheus.number(read) == walk.feed.sent, "Prometheus has scraped it")
        rejected = f'millstream_job_rejected_rows_total{{test="walk-{port}"}}'
        assert prometheus.number(rejected) == walk.feed.broken == job["rows_rejected"]
    until(lambda: number(figure(page, "Rows in")) == walk.feed.sent, "the page shows all")
    page.goto(f"{walk.url}/#/")
    paid = walk.get("/views/total/rows")["rows"][0]
    tile = page.locator(".tile", has=page.locator('a[href="#/views/total"]'))
    expect(tile.locator(".figure-line strong")).to_have_text(f"{paid[0]:,}")
    assert paid[0] == walk.feed.sent - walk.feed.broken
    walk.feed.start()


def test_charts_move(opened: Opened, walk: Walk) -> None:
    """A chart that stands still is a picture."""
    page = opened("#/", url=walk.url)
    chart = page.locator(".tile", has=page.locator('a[href="#/views/per_second"]')).locator(
        "canvas"
    )
    expect(chart.first).to_be_visible()
    drawn = "canvas => canvas.toDataURL()"
    before = chart.first.evaluate(drawn)
    until(lambda: chart.first.evaluate(drawn) != before, "the lines move on")


def test_a_rejected_row_is_put_through_again_from_the_page(opened: Opened, walk: Walk) -> None:
    """The button does what ``millstream dlq replay`` does; the row fails again, and says so."""
    page = opened(f"#/jobs/{JOB}/letters", url=walk.url)
    first = page.locator(".letters .letter").first
    expect(first).to_contain_text("a lot")
    first.locator(".letter-open").click()
    expect(first.locator(".letter-inside")).to_contain_text("a lot")
    first.get_by_role("button", name="Replay this one").click()
    page.get_by_role("dialog").get_by_role("button", name="Replay").click()
    expect(page.locator(".letter-asked")).to_contain_text("1 row goes through again")

    def replayed() -> bool:
        groups = walk.get(f"/jobs/{JOB}/letters/groups")["items"]
        return any(group["state"] == "replayed" for group in groups)

    until(replayed, "the letter is through")
    shown = page.locator(".letter-counts .fact", has=page.get_by_text("replayed", exact=True))
    expect(shown.locator("dd")).to_contain_text("1")


def test_what_is_typed_is_not_erased_by_news(opened: Opened, walk: Walk) -> None:
    """The page looks again every two seconds; who is slower at typing must not begin anew."""
    page = opened(f"#/jobs/{JOB}/letters", url=walk.url)
    box = page.get_by_role("searchbox", name="Reason holds")
    box.press_sequentially("a l")
    for _ in range(2):
        with page.expect_response(re.compile(r"/letters\?")):
            pass
    expect(page.locator(".letters .letter").first).to_be_visible()
    assert box.input_value() == "a l"
    box.press_sequentially("ot")
    box.press("Enter")
    expect(page).to_have_url(re.compile(r"reason=a\+lot"))


def test_pause_stop_and_starting_again(opened: Opened, walk: Walk) -> None:
    """What is done on the page happens to the job; no payment is lost or counted twice by it."""
    page = opened(f"#/jobs/{JOB}", url=walk.url)

    def done(deed: str, state: str, *, asks: bool = False) -> None:
        page.get_by_role("button", name=deed, exact=True).click()
        if asks:
            page.get_by_role("dialog").get_by_role("button", name=deed, exact=True).click()
        until(lambda: walk.job()["state"] == state, f"the job is {state}")
        expect(page.locator(".job-facts")).to_contain_text(state)

    done("Pause", "paused")
    standing = walk.next_look()["rows_in"]
    sent = walk.feed.sent
    until(lambda: walk.feed.sent > sent + 40, "more payments come")
    assert walk.next_look()["rows_in"] == standing
    done("Resume", "running")
    until(lambda: walk.job()["rows_in"] > standing, "it goes on")
    done("Stop", "stopped", asks=True)
    done("Start again", "running", asks=True)
    walk.feed.stop()

    def total() -> int:
        rows = walk.get("/views/total/rows")["rows"]
        return int(rows[0][0]) if rows else 0

    until(lambda: total() == walk.feed.sent - walk.feed.broken, "each payment counts once")
    walk.feed.start()


def test_an_alert_fires_on_the_page(opened: Opened, walk: Walk) -> None:
    """One payment was large: its account is told, in the list and as a number beside the name."""
    page = opened("#/alerts", url=walk.url)
    until(lambda: walk.get("/alerts?state=firing")["items"], "the alert fires")
    expect(page.get_by_text("large_payment").first).to_be_visible()
    expect(page.locator(".nav .badge")).to_contain_text("1")


def test_sql_answers_and_moves(opened: Opened, walk: Walk) -> None:
    """The box answers with what the views hold; a mistake is told with its hint."""
    page = opened("#/sql", url=walk.url)
    box = page.get_by_label("SQL over the live views")
    box.fill("SELECT payments FROM total")
    page.get_by_role("button", name="Run").click()
    answer = page.locator(".sql-answer")
    expect(answer).to_contain_text(re.compile(r"\d"))
    before = answer.inner_text()
    until(lambda: answer.inner_text() != before, "the answer moves")
    box.fill("SELECT paymnts FROM total")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("alert")).to_contain_text("payments")


@pytest.mark.parametrize(("size", "theme"), [("laptop", "light"), ("phone", "dark")])
@pytest.mark.parametrize(
    "route",
    [
        "#/", "#/jobs", f"#/jobs/{JOB}", f"#/jobs/{JOB}/letters", f"#/jobs/{JOB}/checkpoints",
        "#/alerts", "#/alerts?show=rules", "#/sql", "#/views/accounts",
    ],
)  # fmt: skip
def test_nothing_stands_in_the_way(
    opened: Opened, walk: Walk, route: str, size: str, theme: str
) -> None:
    """Axe looks at every page, on a phone and on a laptop, in both themes."""
    page = opened(route, url=walk.url, size=size, theme=theme)
    expect(page.locator("main h1")).to_have_count(1)
    until(lambda: page.locator(".waiting").count() == 0, "the page is there")
    page.evaluate(AXE)
    found = page.evaluate(
        "([values, rules]) => axe.run(document, {runOnly: {type: 'tag', values}, rules})",
        [AXE_TAGS, AXE_RULES],
    )
    said = [
        (v["id"], v["nodes"][0]["target"], v["nodes"][0]["failureSummary"])
        for v in found["violations"]
    ]
    assert said == []
