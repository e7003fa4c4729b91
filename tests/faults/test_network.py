"""What networks do between the pipeline and its servers (F12).

Broker and database are reached through proxies, the tests' own clients go round them. However long
it lasts: no crash (or, by the supervisor, a clean restart), no growth of memory, each row once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.feed import Feed
from tests.faults.measures import rss_bytes
from tests.faults.proxy import FAIR, Proxy, Way, Weather
from tests.faults.readers import Readers
from tests.faults.scene import Scene
from tests.servers import kafka as kafka_server
from tests.servers import shared
from tests.servers.ports import free_ports

if TYPE_CHECKING:
    from tests.servers.postgres import PostgresServer

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]
LONG = os.environ.get("MILLSTREAM_FAULTS") == "long"
LASTS_S = 30.0 if LONG else 4.0
HEALED_LIMIT_S = 180.0
GROWTH_MAX = 200 << 20
BOTH = frozenset({Way.UP, Way.DOWN})
KINDS = {
    "reset": FAIR,
    "nothing-comes-back": Weather(swallows=frozenset({Way.DOWN})),
    "nothing-goes-out": Weather(swallows=frozenset({Way.UP})),
    "nothing-at-all": Weather(swallows=BOTH, refuses=True),
    "half-open": Weather(holds=BOTH),
    "one-kilobyte-a-second": Weather(bytes_per_s=1_000.0),
    "half-a-second-with-jitter": Weather(delay_s=0.5, jitter_s=0.4),
    "cut-after-bytes": Weather(cut_after_bytes=20_000),
}
SAMPLE = ("reset", "nothing-at-all")


@pytest.fixture(scope="module")
def network() -> Iterator[tuple[Proxy, str]]:
    """A broker of its own behind a proxy, and the address that leads round the proxy."""
    proxied, bootstrap = free_ports(2)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    try:
        found = shared.ensure(
            f"kafka-behind-{worker}",
            lambda folder, session: kafka_server.start(
                folder, session, listens=bootstrap, advertised=proxied
            ),
        )
    except shared.NoServer as reason:
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))
    proxy = Proxy(bootstrap, port=proxied)
    yield proxy, kafka_server.KafkaServer(**found).plain
    proxy.close()


@pytest.mark.parametrize("kind", KINDS if LONG else SAMPLE)
def test_f12_the_network(
    kind: str, network: tuple[Proxy, str], postgres: PostgresServer, database: str, tmp_path: Path,
    note: Callable[..., None],
) -> None:  # fmt: skip
    """A pipeline waits for its servers, or starts again, and goes on where it was."""
    proxy, direct = network
    to_postgres = Proxy(postgres.port)
    scene = Scene(
        f"127.0.0.1:{proxy.port}", database.replace(f":{postgres.port}/", f":{to_postgres.port}/"),
        tmp_path, direct=direct, readable=database,
    )  # fmt: skip
    scene.tolerated = ("ERROR", "restart")  # of the clients' own, and the supervisor's
    readers = Readers(scene)
    load = Feed(direct, scene.source, tmp_path).start()
    starts, most = 1, 0
    try:
        run = scene.start()
        run.until_epochs(3)
        rss = rss_bytes(run.pid)
        end_s = time.monotonic() + LASTS_S
        while time.monotonic() < end_s and run.process.poll() is None:
            proxy.weather = to_postgres.weather = KINDS[kind]
            if kind == "reset":
                proxy.reset_all()
                to_postgres.reset_all()
                time.sleep(0.5)
            most = max(most, rss_bytes(run.pid) - rss)
            time.sleep(0.1)
        proxy.weather = to_postgres.weather = FAIR
        if KINDS[kind].swallows:  # TCP would have sent it again: only a dead peer loses bytes
            proxy.reset_all()
            to_postgres.reset_all()
        healed_s, now = time.monotonic(), run.epoch()
        while run.epoch() < now + 5:
            if run.process.poll() is not None:
                assert run.process.returncode == 1, run.text()
                run, starts = scene.start(), starts + 1
            assert time.monotonic() < healed_s + HEALED_LIMIT_S, run.text()
            readers.check()
            time.sleep(0.05)
        took_s = time.monotonic() - healed_s
        run.kill()
        load.stop()
        scene.finish()
        readers.end(load.answer())
        assert scene.stop_marks() == []
        assert most < GROWTH_MAX, f"memory grew by {most} bytes"
        note(rows=readers.rows(), starts=starts, healed_to_fifth_epoch_s_worst=took_s)
    finally:
        load.stop_quietly()
        readers.leave()
        scene.kill()
        to_postgres.close()
