"""Events over HTTP: the log they lie in, read as a source; crashes of whoever writes it."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path

import polars as pl
import pytest

from millstream.connect import event_log
from millstream.connect.event_log import Accepted, EventLog, KeyReused, LogLimits
from millstream.connect.event_records import encoded, records
from millstream.connect.http_events import log_of
from millstream.errors import ConnectorError, Domain, OptionError, Retry
from millstream.plan.table import Table
from millstream.ports.connector import Home, Reader
from millstream.ports.registry import source_for
from millstream.types import Schema
from tests.connect.contract import Bad, Expected, SourceContract, read, table_of

SCHEMA = Schema.of({"a": "INT", "b": "STRING"})
WAIT_S = 120.0


def events_table(folder: Path, **options: str) -> Table:
    return table_of("http-events", {"path": str(folder), "format": "json", **options}, SCHEMA)


def opened(folder: Path, clock_ms: int = 1_000, **limits: int) -> EventLog:
    return EventLog(folder, LogLimits(**limits), lambda: clock_ms)


def filled(folder: Path, *requests: list[bytes], **limits: int) -> None:
    log = opened(folder, **limits)
    for events in requests:
        log.append(events).result(WAIT_S)
    log.close()


@pytest.fixture(scope="module", autouse=True)
def kernels(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is compiled once is compiled before a test waits for it."""
    folder = tmp_path_factory.mktemp("kernels")
    filled(folder, [b'{"a":1}'])
    reader = source_for(events_table(folder)).open("log", resume=None)
    assert reader.poll(max_rows=1, timeout_s=WAIT_S) is not None
    reader.close()


class TestHttpEvents(SourceContract):
    @pytest.fixture
    def table(self, tmp_path: Path) -> Table:
        filled(
            tmp_path,
            [b'{"a":1,"b":"x"}', b'{"a":2}', b"[3]"],
            [b'{"a":4,"b":"\xc3\xbc"}'],
            [b'{"a":"no"}', b'{"a":6}'],
        )
        return events_table(tmp_path)

    @pytest.fixture
    def expected(self) -> Mapping[str, Expected]:
        frame = pl.DataFrame(
            {"a": [1, 2, 4, 6], "b": ["x", None, "ü", None]},
            schema={"a": pl.Int32, "b": pl.String},
        )
        bad = [Bad(raw=b"[3]", offset=2), Bad(raw=b'{"a":"no"}', offset=4)]
        return {"log": Expected(frame=frame, bad=bad)}


def all_of(folder: Path, resume: int | None = None) -> list[bytes]:
    """Return the events of a folder by reading its files: a twin without cleverness."""
    found: dict[int, bytes] = {}
    for path in sorted(folder.glob("*.log")):
        for record in records(path.read_bytes(), 8):
            at = 0
            for i, length in enumerate(record.lengths):
                found[record.first + i] = bytes(record.data[at : at + int(length)])
                at += int(length)
    return [found[n] for n in sorted(found) if n >= (resume or 0)]


def test_requests_of_many_threads_share_the_disk(tmp_path: Path) -> None:
    """Each caller is told of its own request, and no event is lost between them."""
    log = opened(tmp_path, segment_bytes=2_000)
    begins = threading.Barrier(8)

    def send(worker: int) -> None:
        begins.wait()
        for i in range(20):
            answer = log.append([b'{"a":%d}' % (worker * 100 + i)]).result(WAIT_S)
            assert answer == Accepted(1)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert len(list(tmp_path.glob("*.log"))) > 1
    wanted = sorted(b'{"a":%d}' % (w * 100 + i) for w in range(8) for i in range(20))
    assert sorted(all_of(tmp_path)) == wanted


def test_a_key_is_answered_as_the_first_time_and_kept(tmp_path: Path) -> None:
    """A client that did not hear the answer sends again: also after a restart, also at once."""
    log = opened(tmp_path, segment_bytes=1)
    both = [log.append([b"{}", b"{}"], "k1") for _ in range(2)]
    assert [f.result(WAIT_S) for f in both] == [Accepted(2), Accepted(2, repeated=True)]
    with pytest.raises(KeyReused):
        log.append([b'{"a":1}'], "k1")
    for i in range(3):
        log.append([b"{}"], f"more{i}").result(WAIT_S)
    log.begin(1, 0)
    log.forget(1, 4)  # the segment with k1 goes
    assert log.segments[0].first > 0
    log.close()
    again = opened(tmp_path)
    assert again.append([b"{}", b"{}"], "k1").result(WAIT_S) == Accepted(2, repeated=True)
    assert again.append([b"{}"], "more2").result(WAIT_S).repeated
    assert again.end == 5
    again.close()
    later = opened(tmp_path, clock_ms=200_000_000)
    assert later.append([b"{}", b"{}"], "k1").result(WAIT_S) == Accepted(2)
    later.close()


def test_keys_are_no_more_than_wanted(tmp_path: Path) -> None:
    """Memory does not grow with the requests of a day."""
    log = opened(tmp_path, keys_max=3)
    for i in range(20):
        log.append([b"{}"], f"k{i}").result(WAIT_S)
    assert len(log._keys) <= 4
    assert log.append([b"{}"], "k19").result(WAIT_S).repeated
    log.close()


@pytest.mark.parametrize("cut", [1, 7, 20, 40])
def test_a_torn_tail_is_cut_off(tmp_path: Path, cut: int) -> None:
    """A crash in the middle of a write leaves part of a record: nobody was told it is safe."""
    filled(tmp_path, [b'{"a":1}'], [b'{"a":2}'])
    path = next(tmp_path.glob("*.log"))
    torn = encoded(2, [b'{"a":3}'], 0)
    path.write_bytes(path.read_bytes() + torn[:cut])
    log = opened(tmp_path)
    assert log.end == 2
    log.append([b'{"a":4}']).result(WAIT_S)
    log.close()
    assert all_of(tmp_path) == [b'{"a":1}', b'{"a":2}', b'{"a":4}']


def test_what_a_segment_holds_beyond_the_next_one_does_not_count(tmp_path: Path) -> None:
    """After a failed write the same numbers are given again: only the later ones were promised."""
    filled(tmp_path, [b'{"a":1}'])
    path = next(tmp_path.glob("*.log"))
    lost = encoded(1, [b'{"a":9}'], 0, b"k", b"d" * 16)
    path.write_bytes(path.read_bytes() + lost)
    other = tmp_path / f"{1:020d}.log"
    other.write_bytes(b"MSEVENT1" + encoded(1, [b'{"a":2}'], 0))
    log = opened(tmp_path)
    assert log.end == 2
    assert not log.append([b'{"a":9}'], "k").result(WAIT_S).repeated
    log.close()
    source = source_for(events_table(tmp_path))
    reader = source.open("log", resume=None)
    assert read(reader, max_rows=9, documents=3).frame["a"].to_list() == [1, 2, 9]
    reader.close()


def test_a_full_disk_is_told_and_got_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody hears 200 for what is not on the disk; the same key may be sent again afterwards."""
    log = opened(tmp_path)
    log.append([b'{"a":1}']).result(WAIT_S)
    real = os.fsync

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(event_log.os, "fsync", full)
    with pytest.raises(ConnectorError, match="No space") as caught:
        log.append([b'{"a":2}'], "k").result(WAIT_S)
    assert (caught.value.domain, caught.value.retry) == (Domain.LIMIT, Retry.LATER)
    monkeypatch.setattr(event_log.os, "fsync", real)
    assert log.append([b'{"a":2}'], "k").result(WAIT_S) == Accepted(1)
    log.close()
    reopened = opened(tmp_path)
    assert reopened.end == 2
    reopened.close()
    assert all_of(tmp_path) == [b'{"a":1}', b'{"a":2}']


def test_who_is_gone_stops_nobody(tmp_path: Path) -> None:
    """A request that was given up while it waited must not fail those that are written with it."""
    log = opened(tmp_path)
    gone, stays = log.append([b"1"], "k"), log.append([b"2"])
    again = log.append([b"1"], "k")
    assert not gone.cancel()
    assert not again.cancel()
    assert stays.result(WAIT_S) == Accepted(1)
    assert log.append([b"3"]).result(WAIT_S) == Accepted(1)
    log.close()
    assert all_of(tmp_path) == [b"1", b"2", b"3"]


def test_a_full_log_refuses_until_the_job_has_caught_up(tmp_path: Path) -> None:
    """A job that stands still must not fill the disk."""
    log = opened(tmp_path, bytes_max=3_000, segment_bytes=500)
    log.begin(1, 0)
    with pytest.raises(ConnectorError, match="full") as caught:  # noqa: PT012
        for sent in range(100):
            log.append([b'{"a":%d}' % sent]).result(WAIT_S)
    assert caught.value.retry is Retry.LATER
    log.forget(1, log.end)
    log.append([b"{}"]).result(WAIT_S)
    log.close()


def test_what_is_committed_is_removed_and_not_read_again(tmp_path: Path) -> None:
    """Segments behind a durable checkpoint go; a fresh start begins behind what was read."""
    table = events_table(tmp_path, **{"segment-bytes": "1"})
    filled(tmp_path, *([b'{"a":%d}' % i] for i in range(5)), segment_bytes=1)
    source = source_for(table)
    reader = source.open("log", resume=None)
    got = read(reader, max_rows=2, documents=4)
    reader.commit(got.resumes[-1])
    reader.close()
    assert all_of(tmp_path) == [b'{"a":4}']
    fresh = source.open("log", resume=None)
    assert read(fresh, max_rows=9, documents=1).frame["a"].to_list() == [4]
    fresh.close()
    with pytest.raises(ConnectorError, match="removed"):
        source.open("log", resume={"next": 1})
    with pytest.raises(ConnectorError, match="that many"):
        source.open("log", resume={"next": 6})


def test_a_slower_reader_keeps_what_it_needs(tmp_path: Path) -> None:
    """A plan may read one table twice; the faster scan must not take rows from the other."""
    filled(tmp_path, *([b'{"a":%d}' % i] for i in range(4)), segment_bytes=1)
    source = source_for(events_table(tmp_path))
    fast, slow = source.open("log", resume=None), source.open("log", resume=None)
    got = read(fast, max_rows=9, documents=4)
    fast.commit(got.resumes[-1])
    assert read(slow, max_rows=9, documents=4).frame["a"].to_list() == [0, 1, 2, 3]
    slow.close()
    fast.close()


def test_metadata_stand_beside_the_columns(tmp_path: Path) -> None:
    """Arrival and number of an event are known; rejected ones must not shift them."""
    from millstream.plan.table import Metadata, Physical
    from millstream.types import parse_type

    filled(tmp_path, [b'{"a":1}', b"no", b'{"a":3}'])
    columns = (
        Physical("a", parse_type("INT")),
        Metadata("at", parse_type("TIMESTAMP_LTZ(3)"), "timestamp"),
        Metadata("n", parse_type("BIGINT"), "offset"),
    )
    table = Table("t", columns, "http-events", {"path": str(tmp_path), "format": "json"})
    source = source_for(table)
    reader = source.open("log", resume=None)
    frame = read(reader, max_rows=9, documents=3).frame
    reader.close()
    assert frame.select("a", "n").rows() == [(1, 0), (3, 2)]
    assert frame["at"].dt.epoch("ms").to_list() == [1_000, 1_000]


def test_another_process_is_kept_out(tmp_path: Path) -> None:
    """Two writers would give the same numbers to different events."""
    log = opened(tmp_path)
    with pytest.raises(ConnectorError, match="another process"):
        opened(tmp_path)
    log.close()
    with pytest.raises(OptionError, match="csv"):
        source_for(events_table(tmp_path, format="csv"))


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    """A folder given by mistake, as that of a program's logs, must survive it."""
    foreign = {"app.log": b"started\n", "20260101.log": b"a line\n", f"{7:020d}.log": b"no magic"}
    for name, text in foreign.items():
        (tmp_path / name).write_bytes(text * 3)
    with pytest.raises(ConnectorError, match=r"0007\.log is no log of events"):
        opened(tmp_path)
    for name, text in foreign.items():
        assert (tmp_path / name).read_bytes() == text * 3
    (tmp_path / f"{7:020d}.log").unlink()
    log = opened(tmp_path)
    log.append([b"{}"]).result(WAIT_S)
    log.close()
    assert (tmp_path / "app.log").exists()


@pytest.mark.parametrize("name", ["done.json", "keys.json"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    """Not a traceback of a parser."""
    filled(tmp_path, [b"{}"])
    (tmp_path / name).write_bytes(b'{"next": ')
    with pytest.raises(ConnectorError, match=rf"{name} is damaged"):
        opened(tmp_path)


def test_numbers_never_go_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A death between any two steps of making a log shorter: it opens, and goes on counting."""

    class DeathError(BaseException):
        pass

    def dies(*_: object, **__: object) -> None:
        raise DeathError

    for step in ("_write_json", "unlink"):
        folder = tmp_path / step
        filled(folder, *([b'{"a":%d}' % i] for i in range(3)), segment_bytes=1)
        (folder / f"{3:020d}.log").write_bytes(b"")  # and one in making a new segment
        log = opened(folder, segment_bytes=1)
        log.begin(1, 0)
        with monkeypatch.context() as patched:
            patched.setattr(event_log if step == "_write_json" else Path, step, dies)
            with pytest.raises(DeathError):
                log.forget(1, 3)
        log.close()
        reader = source_for(events_table(folder)).open("log", resume=None)
        reader.close()
        again = opened(folder)
        assert again.end == 3
        again.close()


def test_two_scans_that_commit_at_once(tmp_path: Path) -> None:
    """Each scan has a thread of its own; neither may trip over the files of the other."""
    log = opened(tmp_path, segment_bytes=1)
    for _ in range(300):
        log.append([b"{}"])
    log.append([b"{}"]).result(WAIT_S)
    failures: list[BaseException] = []

    def shorten(reader: int) -> None:
        try:
            for number in range(1, 300):
                log.forget(reader, number)
        except BaseException as error:  # noqa: BLE001 (looked at below)
            failures.append(error)

    for reader in (1, 2):
        log.begin(reader, 0)
    threads = [threading.Thread(target=shorten, args=(reader,)) for reader in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert not failures
    reopened = opened(tmp_path)
    assert reopened.done == 299
    reopened.close()


def test_two_tables_of_one_folder_are_told(tmp_path: Path) -> None:
    """Each would remove what the other has not read; the log belongs to one table of one job."""
    first, second = events_table(tmp_path), events_table(tmp_path)
    second = dataclasses.replace(second, name="other")
    home = Home("state/shop")
    reader = source_for(first, home=home).open("log", resume=None)
    more = source_for(first, home=home).open("log", resume=None)  # a plan may read a table twice
    with pytest.raises(
        ConnectorError, match=r"used by table 't' .*shop; table 'other' .*shop cannot"
    ) as caught:
        source_for(second, home=home).open("log", resume=None)
    assert "'path'" in str(caught.value)
    with pytest.raises(ConnectorError, match=r"used by .*shop; table 't' .*state/cart cannot"):
        source_for(first, home=Home("state/cart")).open("log", resume=None)
    with pytest.raises(ConnectorError, match="other"):
        log_of(second, home)
    reader.close()
    more.close()
    source_for(second, home=home).open("log", resume=None).close()


def test_a_log_that_is_wanted_again_soon_stays_open(tmp_path: Path) -> None:
    """Between two runs of a job each request would read the whole log to add one event."""
    first = event_log.acquire(tmp_path, LogLimits(), lambda: 0, "a")
    written = first.append([b"1"])
    event_log.release(first, linger_s=WAIT_S)
    again = event_log.acquire(tmp_path, LogLimits(), lambda: 0, "a")
    assert again is first
    assert written.result(WAIT_S) == Accepted(1)
    event_log.release(again, linger_s=WAIT_S)
    other = event_log.acquire(tmp_path, LogLimits(), lambda: 0, "b")
    assert other is not first, "who merely lingers is in nobody's way"
    event_log.release(other, linger_s=0.05)
    ends_s = time.monotonic() + WAIT_S
    while event_log._OPEN:
        assert time.monotonic() < ends_s
        time.sleep(0.01)


HOLDS = """
import sys
from pathlib import Path
from millstream.connect.event_log import LogLimits, acquire
acquire(Path(sys.argv[1]), LogLimits(), lambda: 0, "table 'mine' of the job in state/other")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_folder_that_another_process_uses_is_told_with_its_user(tmp_path: Path) -> None:
    """Who looks for the other one must not have to guess."""
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(
            ConnectorError, match=r"another process: table 'mine' .*; table 't'"
        ) as caught:
            source_for(events_table(tmp_path)).open("log", resume=None)
        assert f"process {process.pid}" in str(caught.value)
        process.communicate()
    source_for(events_table(tmp_path)).open("log", resume=None).close()


KILLED = """
import os, sys, threading
from pathlib import Path
from millstream.connect.event_log import EventLog, LogLimits
log = EventLog(Path(sys.argv[1]), LogLimits(segment_bytes=4000), lambda: 0)
def send(worker):
    for i in range(int(sys.argv[2]), 1_000_000):
        key = f"{worker}-{i}"
        log.append([b'{"a":%d,"b":"%d"}' % (i, worker)], key).result()
        os.write(1, f"{key}\\n".encode())
for worker in range(3):
    threading.Thread(target=send, args=(worker,)).start()
"""


@pytest.mark.faults
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """What was answered survives any death, and sending again with its key takes nothing twice."""
    heard: set[str] = set()
    for round_ in range(3):
        command = [sys.executable, "-c", KILLED, str(tmp_path / "log"), str(round_ * 1_000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                heard.add(line.strip())
                if len(heard) >= 60 * (round_ + 1):
                    process.send_signal(signal.SIGKILL)
                    break
            heard.update(line.strip() for line in process.stdout if line.endswith("\n"))
    log = opened(tmp_path / "log", clock_ms=0)
    for key in sorted(heard):
        worker, _, i = key.partition("-")
        events = [b'{"a":%d,"b":"%d"}' % (int(i), int(worker))]
        assert log.append(events, key).result(WAIT_S).repeated, f"{key} was lost"
    end = log.end
    log.close()
    found = all_of(tmp_path / "log")
    assert len(found) == end == len(set(found))
    assert end >= len(heard)


def test_a_wait_ends_when_the_reader_is_closed(tmp_path: Path) -> None:
    """A job that ends must not wait for the next event."""
    source = source_for(events_table(tmp_path))
    reader: Reader = source.open("log", resume=None)
    done: Future[object] = Future()
    thread = threading.Thread(
        target=lambda: done.set_result(reader.poll(max_rows=1, timeout_s=WAIT_S))
    )
    thread.start()
    reader.close()
    assert done.result(WAIT_S / 2) is None
    thread.join()


@pytest.fixture(autouse=True)
def nothing_open() -> Iterator[None]:
    """No test leaves a log open: the next one of this folder would share it."""
    yield
    assert not event_log._OPEN
