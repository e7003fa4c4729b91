"""A log of events on a disk of this machine: requests are appended, one job reads them.

in      events of a request, with an idempotency key or without
out     the number of each event; it is on the disk when the caller is told. Readers get the events
        in the order of their numbers, none before it is on the disk
state   segments of records, a file with the keys of those that are gone, how far they were read
commit  requests that come while others are being written share one fsync
keys    the same key again, within the window, is answered as the first time; with another request
        it is refused
limits  bytes of all segments, bytes that wait to be written, keys
bad     a tail that a crash cut off is removed when the log is opened: nobody was told it is safe.
        After a failed write the segment is given up; the next request begins another
owner   one table of one job in one process: who comes second is told whose it is
threads any; a thread of its own writes while the log is open
source  Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import json
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from millstream.connect.event_records import MAGIC, encoded, records
from millstream.connect.os_errors import kind_of
from millstream.errors import ConnectorError, Domain, Retry
from millstream.stores.disk import sync_folder

LOG = logging.getLogger("millstream")
WAITING_BYTES_MAX = 64 << 20
KEY_BYTES_MAX = 255
KEYS_FORGOTTEN_MAX = 1_000
"""So many at a time: who sends an event does not wait for all of yesterday's."""
_SEGMENT, _KEYS, _DONE, _LOCK = ".log", "keys.json", "done.json", "lock"
_SEGMENTS = "[0-9]" * 20 + _SEGMENT
"""Names of segments; whatever else is in the folder is not ours."""
_OWNER_BYTES_MAX = 4_096
_CLOSED = "The log of events is closed."


class Busy(ConnectorError):
    """More requests wait to be written than may."""


class KeyReused(ConnectorError):
    """An idempotency key came with another request than the first time."""


@dataclass(frozen=True, slots=True)
class LogLimits:
    """What a log keeps."""

    bytes_max: int = 1 << 30
    segment_bytes: int = 16 << 20
    keys_max: int = 100_000
    key_window_ms: int = 86_400_000


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request that is on the disk. ``repeated``: it was before."""

    count: int
    repeated: bool = False


@dataclass
class Segment:
    """A file of the log: events ``first`` up to ``end``, in ``size`` bytes that are on the disk."""

    path: Path
    first: int
    end: int
    size: int


@dataclass
class _Key:
    digest: bytes
    count: int
    at_ms: int
    written: Future[Accepted] | None = None


@dataclass
class _Request:
    events: Sequence[bytes]
    at_ms: int
    key: bytes
    digest: bytes
    written: Future[Accepted] = field(default_factory=Future)

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.events)) + 4 * len(self.events) + 256


class EventLog:
    """The log in one folder, which ``owner`` has for itself while it is open."""

    def __init__(
        self, folder: Path, limits: LogLimits, clock_ms: Callable[[], int], owner: str = ""
    ) -> None:
        self.folder, self.limits, self.owner = folder, limits, owner
        self._clock_ms = clock_ms
        self.changed = threading.Condition()
        self.segments: list[Segment] = []
        self.done = 0
        """All events before this number were read for good."""
        self._keys: dict[bytes, _Key] = {}
        self._waiting: deque[_Request] = deque()
        self._waiting_bytes = 0
        """Of requests that are not on the disk: they wait, or are being written."""
        self.lingers = False
        """It is to be closed in a while, if nobody uses it then."""
        self._shortening = threading.Lock()
        self._file: int | None = None
        self._readers: dict[int, int] = {}
        self._closing = False
        self._thread: threading.Thread | None = None
        with self._told("cannot be opened"):
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(folder, owner)
            try:
                self._open()
            except BaseException:
                os.close(self._lock)
                raise

    @property
    def end(self) -> int:
        """The number of the next event: all before it are on the disk."""
        return self.segments[-1].end if self.segments else self.done

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size for segment in self.segments)

    # ---------------------------------------------------------------- writing

    def append(self, events: Sequence[bytes], key: str | None = None) -> Future[Accepted]:
        """Write a request; the future is done when it is on the disk."""
        named = (key or "").encode()
        assert len(named) <= KEY_BYTES_MAX, "who takes requests checks their keys"
        digest = _digest(events) if named else b""
        with self.changed:
            if self._closing:
                raise self._error(_CLOSED, retry=Retry.LATER, domain=Domain.SYSTEM)
            now_ms = self._clock_ms()
            if named:
                self._forget_keys(now_ms)
                if named in self._keys:
                    return self._again(self._keys[named], digest)
            request = _Request(events, now_ms, named, digest)
            request.written.set_running_or_notify_cancel()  # who is gone cannot call it back
            self._check_room(request.size_bytes)
            if named:
                self._keys[named] = _Key(digest, len(events), now_ms, request.written)
            self._waiting.append(request)
            self._waiting_bytes += request.size_bytes
            if self._thread is None:
                name = f"events {self.folder.name}"
                self._thread = threading.Thread(target=self._write_all, name=name, daemon=True)
                self._thread.start()
            self.changed.notify_all()
        return request.written

    def close(self) -> None:
        """Write what waits, and give the folder free."""
        with self.changed:
            self._closing = True
            self.changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._give_up_file()
        os.close(self._lock)

    def _again(self, known: _Key, digest: bytes) -> Future[Accepted]:
        """Answer a request that came before."""
        if known.digest != digest:
            raise KeyReused(
                "This idempotency key came with another request before.",
                where=self.folder.name,
                hint="Give each request a key of its own; send it again unchanged.",
                domain=Domain.DATA,
            )
        answer: Future[Accepted] = Future()
        answer.set_running_or_notify_cancel()
        if known.written is None:
            answer.set_result(Accepted(known.count, repeated=True))
            return answer

        def tell(first: Future[Accepted]) -> None:
            error = first.exception()
            if error is None:
                answer.set_result(Accepted(known.count, repeated=True))
            else:
                answer.set_exception(error)

        known.written.add_done_callback(tell)
        return answer

    def _check_room(self, size: int) -> None:
        if self._waiting_bytes + size > max(WAITING_BYTES_MAX, size):
            raise Busy(
                "More requests wait for the disk than may.",
                where=self.folder.name,
                hint="Send them again a little later.",
                retry=Retry.LATER,
                domain=Domain.LIMIT,
            )
        if self.size_bytes + self._waiting_bytes + size > self.limits.bytes_max:
            raise self._error(
                "The log of events is full: the job has not caught up.",
                hint="Send it again later; 'bytes-max' of the table says how much there may be.",
                retry=Retry.LATER,
                domain=Domain.LIMIT,
            )

    def _write_all(self) -> None:
        """Write what waits, together, until the log is closed."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self._waiting or self._closing)
                group, self._waiting = list(self._waiting), deque()
            if not group:
                return
            try:
                self._write(group)
            except BaseException as error:  # noqa: BLE001 (told to each who waits)
                self._failed(group, error)

    def _write(self, group: list[_Request]) -> None:
        file, segment = self._segment()
        at, parts = segment.end, []
        for request in group:
            parts.append(encoded(at, request.events, request.at_ms, request.key, request.digest))
            at += len(request.events)
        data = memoryview(b"".join(parts))
        size, place = len(data), segment.size
        while data:
            written = os.pwrite(file, data, place)
            data, place = data[written:], place + written
        os.fsync(file)
        with self.changed:
            segment.end, segment.size = at, segment.size + size
            self._waiting_bytes -= sum(request.size_bytes for request in group)
            for request in group:
                if request.key in self._keys:
                    self._keys[request.key].written = None
            self.changed.notify_all()
        for request in group:
            request.written.set_result(Accepted(len(request.events)))

    def _failed(self, group: list[_Request], error: BaseException) -> None:
        """Tell that nothing is safe. What may lie in the file does not count: it is given up."""
        with self.changed:
            self._waiting_bytes -= sum(request.size_bytes for request in group)
            for request in group:
                self._keys.pop(request.key, None)
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self.segments[-1].size)
            self._give_up_file()
        LOG.error("events of %s could not be written: %s", self.folder, error)
        said = getattr(error, "strerror", None) or str(error)
        kind = kind_of(error) if isinstance(error, OSError) else {"domain": Domain.SYSTEM}
        told = self._error(f"The events could not be written: {said}.", **kind)
        for request in group:
            request.written.set_exception(told)

    def _segment(self) -> tuple[int, Segment]:
        """Return the file that is written, a new one where it is due."""
        last = self.segments[-1] if self.segments else None
        if self._file is not None and last is not None:
            if last.size < self.limits.segment_bytes:
                return self._file, last
            self._give_up_file()
        path = self.folder / f"{self.end:020d}{_SEGMENT}"
        # One of this name holds nothing that anybody was told of.
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.write(file, MAGIC)
            os.fsync(file)
            sync_folder(self.folder)
        except BaseException:
            os.close(file)
            raise
        made = Segment(path, self.end, self.end, len(MAGIC))
        with self.changed:
            if last is not None and last.path == path:
                self.segments.pop()
            self.segments.append(made)
        self._file = file
        return file, made

    def _give_up_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # what counts was brought to the disk before
                os.close(file)

    # ---------------------------------------------------------------- reading

    def wait(self, number: int, timeout_s: float, stop: Callable[[], bool]) -> bool:
        """Wait until there is an event of this number; False if it did not come in time."""
        with self.changed:
            self.changed.wait_for(lambda: self.end > number or stop(), timeout_s)
            return self.end > number

    def segment_of(self, number: int) -> Segment | None:
        """Return the segment that has an event, as it is on the disk now."""
        with self.changed:
            for one in reversed(self.segments):
                if one.first <= number:
                    return Segment(one.path, one.first, one.end, one.size)
        return None

    def begin(self, reader: int, number: int) -> None:
        """Take note of a reader that goes on from a number: what it needs is kept."""
        with self.changed:
            self._readers[reader] = number

    def forget(self, reader: int, number: int) -> None:
        """Take note that a reader needs nothing before a number, and remove what nobody needs.

        Where that cannot be written down it is tried again with the next call: the events are
        safe, there are only more of them than need be.
        """
        with self._shortening:
            with self.changed:
                self._readers[reader] = max(number, self._readers.get(reader, 0))
                least = min(self._readers.values())
                if least <= self.done:
                    return
                self._forget_keys(self._clock_ms())
                # Of one that is being written the file is kept: it ends where new events begin.
                gone = [s for s in self.segments[:-1] if s.end <= least]
            try:
                self._shorten(least, gone)
            except OSError as error:
                LOG.warning("events of %s that were read are kept: %s", self.folder, error)

    def _shorten(self, least: int, gone: list[Segment]) -> None:
        """Write down what must outlive the segments, then remove them."""
        if gone:
            self._keep_keys()
        _write_json(self.folder / _DONE, {"next": least})
        for segment in gone:
            segment.path.unlink(missing_ok=True)
        with self.changed:
            self.done = least
            self.segments = [s for s in self.segments if s not in gone]

    def leave(self, reader: int) -> None:
        """Forget a reader."""
        with self.changed:
            self._readers.pop(reader, None)
            self.changed.notify_all()

    # ---------------------------------------------------------------- opening

    def _open(self) -> None:
        """Find what is there, and put the end right."""
        self.done = int(self._read_json(_DONE).get("next", 0))
        now_ms = self._clock_ms()
        for key, digest, count, at_ms in self._read_json(_KEYS).get("keys", []):
            self._keys[key.encode()] = _Key(bytes.fromhex(digest), count, at_ms)
        paths = sorted(self.folder.glob(_SEGMENTS))
        firsts = [int(path.name.removesuffix(_SEGMENT)) for path in paths]
        self.done = max([self.done, *firsts[:1]])  # what was removed was read
        for place, (path, first) in enumerate(zip(paths, firsts, strict=True)):
            last = place + 1 == len(paths)
            end, size = self._scan(path, first, None if last else firsts[place + 1])
            if not last or end > first:
                self.segments.append(Segment(path, first, end, size))
            else:
                path.unlink()  # a crash came before its first record, or it holds none
        if self.segments and self.done > self.segments[-1].end:
            raise self._error(
                "The log of events ends before what was read of it.",
                hint="Its folder was changed by hand, or the disk lost data: restore it, or remove "
                "it together with the job's checkpoint.",
                domain=Domain.DATA,
            )
        self._forget_keys(now_ms)

    def _scan(self, path: Path, first: int, following: int | None) -> tuple[int, int]:
        """Return the end of a segment in events and bytes; collects keys, cuts a torn tail off."""
        data = path.read_bytes()
        end, at = first, len(MAGIC)
        if len(data) > at and not data.startswith(MAGIC):
            raise self._error(
                f"{path.name} is no log of events.",
                hint="Give the table a 'path' of its own, where nobody else keeps files.",
                domain=Domain.CONFIG,
            )
        for record in records(data, at):
            if record.first != end or (following is not None and end >= following):
                break  # written, never told to be safe, and written again in the next segment
            end, at = record.first + record.count, record.end
            if record.key:
                self._keys.pop(record.key, None)
                self._keys[record.key] = _Key(record.digest, record.count, record.at_ms)
        if following is not None and end < following:
            raise self._error(
                f"The log of events is damaged: {path.name} ends at {end}, not {following}.",
                hint="Restore it from a backup.",
                domain=Domain.DATA,
            )
        if following is None and at < len(data):
            LOG.warning("%s: %d bytes that a crash cut off are removed", path, len(data) - at)
            with path.open("r+b") as file:
                file.truncate(at)
                os.fsync(file.fileno())
        return end, at

    def _forget_keys(self, now_ms: int) -> None:
        """Forget keys that are old, or too many; they stand in the order in which they came."""
        oldest_ms = now_ms - self.limits.key_window_ms
        for key, known in list(itertools.islice(self._keys.items(), KEYS_FORGOTTEN_MAX)):
            too_many = len(self._keys) > self.limits.keys_max
            if known.written is not None or not (too_many or known.at_ms < oldest_ms):
                return
            del self._keys[key]

    def _keep_keys(self) -> None:
        """Write down all keys, before records that have some are removed."""
        with self.changed:
            kept = [
                (key.decode(), known.digest.hex(), known.count, known.at_ms)
                for key, known in self._keys.items()
                if known.written is None
            ]
        _write_json(self.folder / _KEYS, {"keys": kept})

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / name).read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError:
            raise self._error(
                f"The log of events is damaged: {name} is damaged.",
                hint="Restore it from a backup.",
                domain=Domain.DATA,
            ) from None
        return found

    def _error(
        self,
        fact: str,
        *,
        hint: str | None = None,
        retry: Retry = Retry.NEVER,
        domain: Domain = Domain.SYSTEM,
    ) -> ConnectorError:
        return ConnectorError(fact, where=str(self.folder), hint=hint, retry=retry, domain=domain)

    @contextlib.contextmanager
    def _told(self, fact: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            said = f"The log of events {fact}: {error.strerror or error}."
            raise self._error(
                said, hint="Give a folder of this machine that can be written.", **kind_of(error)
            ) from error


def _digest(events: Sequence[bytes]) -> bytes:
    total = hashlib.blake2b(digest_size=16)
    for event in events:
        total.update(len(event).to_bytes(8, "little"))
        total.update(event)
    return total.digest()


def _locked(folder: Path, owner: str) -> int:
    """Return the lock of a folder, taken, with its owner's name in it."""
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with contextlib.suppress(OSError):  # a full disk takes no name, the lock is there
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{owner or 'somebody'} (process {os.getpid()})".encode(), 0)
    except BlockingIOError:
        other = os.pread(lock, _OWNER_BYTES_MAX, 0).decode(errors="replace")
        os.close(lock)
        raise _taken(folder, f"another process: {other}", owner) from None
    return lock


def _taken(folder: Path, other: str, owner: str) -> ConnectorError:
    return ConnectorError(
        f"The log of events is used by {other}; {owner or 'this one'} cannot have it too.",
        where=str(folder),
        hint="Give each table a 'path' of its own, or end the other job first.",
        retry=Retry.LATER,
        domain=Domain.CONFIG,
    )


def _write_json(path: Path, said: dict[str, Any]) -> None:
    temporary = path.with_suffix(".new")
    with temporary.open("w") as file:
        json.dump(said, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


# --------------------------------------------------------------------------- of this process

_OPEN: dict[Path, tuple[EventLog, int]] = {}
_OPENING = threading.Lock()


def acquire(
    folder: Path, limits: LogLimits, clock_ms: Callable[[], int], owner: str = ""
) -> EventLog:
    """Return the log of a folder, one for all who read or write as ``owner``; ``release`` follows.

    Raises ConnectorError where somebody else has it, in this process or another.
    """
    with _OPENING:
        log, users = _OPEN.get(folder, (None, 0))
        if log is not None and log.owner != owner:
            if users:
                raise _taken(folder, log.owner or "somebody", owner)
            _close(log)
            log = None
        log = log or EventLog(folder, limits, clock_ms, owner)
        _OPEN[folder] = (log, users + 1)
        return log


def release(log: EventLog, *, linger_s: float = 0.0) -> None:
    """Close a log if nobody else uses it.

    ``linger_s``: not before, as it is likely to be wanted again, and a large one opens slowly.
    """
    with _OPENING:
        _, users = _OPEN[log.folder]
        _OPEN[log.folder] = (log, users - 1)
        if users > 1:
            return
        if not linger_s:
            _close(log)
        elif not log.lingers:
            log.lingers = True
            timer = threading.Timer(linger_s, _close_if_unused, (log,))
            timer.daemon = True
            timer.start()


def _close_if_unused(log: EventLog) -> None:
    with _OPENING:
        log.lingers = False
        if _OPEN.get(log.folder) == (log, 0):
            _close(log)


def _close(log: EventLog) -> None:
    del _OPEN[log.folder]
    log.close()
