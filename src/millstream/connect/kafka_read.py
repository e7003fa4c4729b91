"""Kafka topics as a source: one split per partition, one client for all of them.

in      partitions assigned by hand (no group rebalancing); a place is the next offset to read
out     chunks of decoded rows with metadata columns; for upsert tables ``$op`` says newest value
        or tombstone
state   per partition a bounded buffer of messages that came while another one was asked for
bad     an undecodable message goes to ``rejected`` with its bytes and offset; an offset that the
        broker has already deleted is an error, never a silent jump
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from millstream.connect import kafka_client as door
from millstream.connect.kafka_consume import Happening, Receiver, receiver
from millstream.connect.kafka_decode import MessageDecoder
from millstream.connect.kafka_messages import Block, Place, no_messages, one_block
from millstream.connect.kafka_offsets import end_offsets, start_offsets
from millstream.connect.kafka_options import Bound, KafkaConfig, Startup
from millstream.errors import ConnectorError, Domain, Retry
from millstream.ports.connector import Changes, Chunk, Delivery, End, Reader, Source, SourceSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

LANE_ROWS_MAX: Final = 200_000
LANE_BYTES_MAX: Final = 64 << 20
"""A partition's buffer beyond these is paused until its reader has taken half of it, or finds
less than a chunk there."""
CHUNK_BYTES_MAX: Final = 64 << 20
"""A chunk is cut behind the message that reaches this, also below ``max_rows``."""
DOWN_LIMIT_S: Final = 60.0
"""How long all brokers may be away before reading gives up (the driver may start again)."""


@dataclass(slots=True)
class _Lane:
    """What moves for one open partition."""

    place: Place
    resume: int | None
    buffer: deque[Block] = field(default_factory=deque)
    rows: int = 0
    bytes: int = 0
    next_offset: int = -1
    end: int | None = None
    ended: bool = False
    begun: bool = False
    told_start: bool = True
    paused: bool = False

    def pop(self, count: int) -> Block:
        """Take the oldest rows out."""
        taken = []
        left = count
        while left:
            block = self.buffer.popleft()
            if len(block) > left:
                self.buffer.appendleft(block.cut(left, len(block)))
                block = block.cut(0, left)
            taken.append(block)
            left -= len(block)
        found = one_block(taken)
        self.rows -= count
        self.bytes -= found.bytes
        return found

    def rows_within(self, bytes_max: int) -> int:
        """Return how many rows there are up to the one that reaches ``bytes_max``."""
        rows = 0
        for block in self.buffer:
            if block.bytes < bytes_max:
                rows += len(block)
                bytes_max -= block.bytes
                continue
            return rows + (block.rows_within(bytes_max) or len(block))
        return rows


class KafkaSource(Source):
    """The readable side of a Kafka table."""

    delivery = Delivery.EXACTLY_ONCE

    def __init__(self, spec: SourceSpec, config: KafkaConfig, *, upsert: bool) -> None:
        self.bounded = config.bounded_mode is not Bound.UNBOUNDED
        self.waits_for_any = True
        self.changes = Changes.UPSERT if upsert else Changes.APPEND
        self._config = config
        self._decoder = MessageDecoder(spec, config, upsert=upsert)
        self._cluster = door.Cluster(config)
        self._complaints = door.Complaints()
        self._consumer: Receiver | None = None
        self._lanes: dict[Place, _Lane] = {}
        self._places: list[Place] = []
        self._first_places: frozenset[Place] = frozenset()
        self._resumed = False
        self._looked_at = 0.0
        self._down_since: float | None = None
        self._rows_asked = 0
        self._lock = threading.RLock()

    def splits(self) -> Sequence[str]:
        """``topic:partition`` of every partition; looked up again after the discovery interval."""
        with self._lock:
            wait_s = self._config.discovery_interval_ms / 1000
            if self._places and (wait_s == 0 or time.monotonic() < self._looked_at + wait_s):
                return [_split(place) for place in self._places]
            try:
                topics = self._cluster.read_topics()
            except ConnectorError:
                if not self._places:
                    raise
                topics = {}  # a look-up that fails later is no reason to stop reading
            for topic, partitions in topics.items():
                known = set(self._places)
                self._places += [(topic, p) for p in partitions if (topic, p) not in known]
            self._looked_at = time.monotonic()
            if not self._first_places:
                self._first_places = frozenset(self._places)
            return [_split(place) for place in self._places]

    def decode(self, documents: pl.DataFrame) -> Chunk:
        """Decode values that were kept; keys, headers and times of messages were not."""
        rows = self._decoder.decode_again(documents)
        return Chunk(frame=rows.frame, resume=None, rejected=rows.rejected, offsets=rows.offsets)

    def open(self, split: str, *, resume: Any | None) -> Reader:
        """Start at the startup mode's place or at the offset ``resume``."""
        topic, _, partition = split.rpartition(":")
        place = (topic, int(partition))
        with self._lock:
            if not self._first_places:
                self.splits()
            if self._consumer is None:
                self._consumer = receiver(self._config, self._complaints, self._decoder.wanted)
            assert place not in self._lanes, f"split {split} is open already"
            lane = _Lane(place, None if resume is None else int(resume))
            self._resumed |= resume is not None
            self._lanes[place] = lane
        return _KafkaReader(self, lane)

    def test(self) -> None:
        """Look up the topics."""
        self._cluster.read_topics()

    def close(self) -> None:
        """Leave the cluster."""
        with self._lock:
            consumer, self._consumer = self._consumer, None
            self._lanes.clear()
            self._cluster.close()
            if consumer is not None:
                consumer.close()

    # ------------------------------------------------------------- for the readers

    def take(self, lane: _Lane, max_rows: int, timeout_s: float) -> Chunk | None:
        """Give the lane's next chunk; what comes for other lanes meanwhile waits in theirs."""
        with self._lock:
            if self._consumer is None:
                return None
            if not lane.begun:
                self._begin()
            if not lane.told_start:
                # The place where "latest" or a group's offset was must reach the checkpoint before
                # the first row does, or a restart in between would look it up anew and lose rows.
                lane.told_start = True
                return self._chunk(lane, no_messages(lane.place, self._decoder.wanted))
            self._rows_asked = max_rows
            self._resume_if_low(lane)
            self._fill(lane, max_rows, timeout_s)
            count = self._ready(lane, max_rows)
            if count == 0:
                if lane.ended and not lane.rows:
                    raise End
                return None
            messages = lane.pop(count)
            self._resume_if_low(lane)
            return self._chunk(lane, messages)

    def tell_group(self, lane: _Lane, offset: int) -> None:
        """Commit an offset to the user's group, where one is named; nobody waits for it."""
        with self._lock:
            if self._consumer is None or "group.id" not in self._config.properties:
                return
            place = door.TopicPartition(*lane.place, offset)
            self._consumer.tell_group([place])

    def drop(self, lane: _Lane) -> None:
        """Read this partition no longer."""
        with self._lock:
            if self._lanes.get(lane.place) is not lane:
                return
            del self._lanes[lane.place]
            lane.buffer.clear()
            if lane.begun and self._consumer is not None and not lane.ended:
                self._consumer.assign_less([door.TopicPartition(*lane.place)])

    def _begin(self) -> None:
        """Find where the lanes opened since the last call start and end, and assign them."""
        new = [lane for lane in self._lanes.values() if not lane.begun]
        places = [lane.place for lane in new]
        fresh = [lane.place for lane in new if lane.resume is None]
        by_mode = [p for p in fresh if not self._resumed and p in self._first_places]
        starts = start_offsets(self._config, self._cluster, by_mode) if by_mode else {}
        # A partition that came later, or while a restored pipeline was down, is read in full.
        later = [p for p in fresh if p not in starts]
        if later:
            starts |= self._cluster.offsets(later, "earliest", committed_only=False)
            # What the consumer itself does not know of yet it reads minutes later, if unlucky.
            for topic in {topic for topic, _ in later}:
                with contextlib.suppress(door.KafkaException):
                    self._client().look_up(topic)
        ends = end_offsets(self._config, self._cluster, places) or {}
        assigned = []
        for lane in new:
            lane.begun = True
            lane.next_offset = starts[lane.place] if lane.resume is None else lane.resume
            lane.end = ends.get(lane.place)
            lane.ended = lane.end is not None and lane.next_offset >= lane.end
            lane.told_start = lane.resume is not None or self._config.startup in (
                Startup.EARLIEST, Startup.SPECIFIC,
            ) or self.bounded  # fmt: skip
            if not lane.ended:
                assigned.append(door.TopicPartition(*lane.place, lane.next_offset))
        if assigned:
            self._client().assign_more(assigned)

    def _ready(self, lane: _Lane, max_rows: int) -> int:
        """How many messages may leave now: a bounded lane gives full chunks until its end."""
        count = min(max_rows, lane.rows)
        if lane.bytes >= CHUNK_BYTES_MAX:
            cut = lane.rows_within(CHUNK_BYTES_MAX)
            if cut <= count:
                return cut
        if count < max_rows and self.bounded and not lane.ended:
            return 0
        return count

    def _fill(self, lane: _Lane, max_rows: int, timeout_s: float) -> None:
        """Receive until the lane can give a chunk, the time is over, or another lane has rows."""
        end = time.monotonic() + timeout_s
        while not lane.ended and lane.rows < max_rows:
            wait_s = 0.0 if self._ready(lane, max_rows) else max(0.0, end - time.monotonic())
            for_others = self._receive(lane, max_rows - lane.rows, wait_s)
            if self._ready(lane, max_rows) or time.monotonic() >= end:
                return
            if any(self._has_news(other, max_rows) for other in for_others):
                return

    def _has_news(self, lane: _Lane, max_rows: int) -> bool:
        """Tell whether a poll of this lane gives a chunk, or its end."""
        return lane.ended or self._ready(lane, max_rows) > 0

    def _receive(self, asked: _Lane, count: int, wait_s: float) -> list[_Lane]:
        """Move what has arrived into the lanes; return the others that got something."""
        found = self._client().receive(count, wait_s)
        self._watch_brokers(bool(found))
        places = [block.place for block in found.blocks]
        for block in found.blocks:
            lane = self._lanes.get(block.place)
            if lane is not None:
                self._append(lane, block)
        for happening in found.happenings:
            places.append(happening.place)
            self._on_happening(happening)
        reached = [self._lanes[place] for place in dict.fromkeys(places) if place in self._lanes]
        return [lane for lane in reached if lane is not asked]

    def _client(self) -> Receiver:
        assert self._consumer is not None, "asked for a client before open"
        return self._consumer

    def _append(self, lane: _Lane, block: Block) -> None:
        if lane.end is not None and block.offsets[-1] >= lane.end:
            block = block.cut(0, int(np.searchsorted(block.offsets, lane.end)))
            self._end(lane)
        if not len(block):
            return
        assert block.offsets[0] >= lane.next_offset, f"{lane.place} went back"
        lane.next_offset = int(block.offsets[-1]) + 1
        lane.buffer.append(block)
        lane.rows += len(block)
        lane.bytes += block.bytes
        if lane.end is not None and lane.next_offset >= lane.end:
            self._end(lane)
        too_much = lane.rows > LANE_ROWS_MAX or lane.bytes > LANE_BYTES_MAX
        has_chunk = self._ready(lane, self._rows_asked) > 0  # without one nothing would be taken
        if too_much and has_chunk and not lane.paused and not lane.ended:
            lane.paused = True
            self._client().pause([door.TopicPartition(*lane.place)])

    def _resume_if_low(self, lane: _Lane) -> None:
        if not lane.paused or lane.ended:
            return
        few = lane.rows < LANE_ROWS_MAX // 2 and lane.bytes < LANE_BYTES_MAX // 2
        if few or not self._ready(lane, self._rows_asked):
            lane.paused = False
            self._client().resume([door.TopicPartition(*lane.place)])

    def _end(self, lane: _Lane) -> None:
        if not lane.ended:
            lane.ended = True
            self._client().assign_less([door.TopicPartition(*lane.place)])

    def _out_of_range(self, lane: _Lane) -> ConnectorError:
        """Say what happened to a place that is gone; going on elsewhere would lose rows."""
        place, wanted = lane.place, lane.next_offset
        (last,) = self._cluster.offsets([place], "latest", committed_only=False).values()
        (first,) = self._cluster.offsets([place], "earliest", committed_only=False).values()
        fact = f"the first one there is {first}."
        hint = (
            "The rows between were deleted by the topic's retention (or the topic was made anew)."
        )
        if wanted > last:
            fact = f"the partition ends at {last}."
            hint = "The topic was made anew, or its log was cut off (an unclean election)."
        return ConnectorError(
            f"Offset {wanted} of {_split(place)} does not exist; {fact}",
            where=f"Kafka at {self._config.servers}",
            hint=f"{hint} Start without the checkpoint to read what is left.",
            domain=Domain.DATA,
        )

    def _on_happening(self, happening: Happening) -> None:
        error, place = happening.error, happening.place
        lane = self._lanes.get(place)
        if lane is None:
            return
        if error.code() == door.Code._PARTITION_EOF:
            # The last offsets before the end may be transaction markers, which are never rows.
            if lane.end is not None and happening.offset >= lane.end:
                self._end(lane)
            return
        if error.code() == door.Code._AUTO_OFFSET_RESET:
            raise self._out_of_range(lane)
        if not error.retriable():
            raise door.in_our_words(error, self._config, f"{_split(place)} cannot be read")

    def _watch_brokers(self, alive: bool) -> None:
        if alive:
            self._down_since = None
            self._complaints.by_code.clear()
            return
        if (refused := self._complaints.decisive()) is not None:
            raise door.in_our_words(refused, self._config, "Reading")
        if door.Code._ALL_BROKERS_DOWN not in self._complaints.by_code:
            return
        now = time.monotonic()
        self._down_since = self._down_since or now
        if now - self._down_since > DOWN_LIMIT_S:
            error = door.in_our_words(
                self._complaints.by_code[door.Code._ALL_BROKERS_DOWN], self._config, "Reading",
                self._complaints,
            )  # fmt: skip
            error.retry = Retry.LATER
            raise error

    def _chunk(self, lane: _Lane, messages: Block) -> Chunk:
        rows = self._decoder.decode(messages)
        resume = int(messages.offsets[-1]) + 1 if len(messages) else lane.next_offset
        end = self._client().known_end(lane.place) if lane.end is None else lane.end
        return Chunk(
            frame=rows.frame,
            rejected=rows.rejected,
            offsets=rows.offsets,
            resume=resume,
            bytes=rows.bytes,
            pending=max(0, end - resume) if end >= 0 else None,
            skipped=rows.skipped,
        )


class _KafkaReader(Reader):
    """One partition."""

    def __init__(self, source: KafkaSource, lane: _Lane) -> None:
        self._source = source
        self._lane = lane

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        return self._source.take(self._lane, max_rows, timeout_s)

    def commit(self, resume: Any) -> None:
        self._source.tell_group(self._lane, int(resume))

    def close(self) -> None:
        self._source.drop(self._lane)


def source(spec: SourceSpec) -> Source:
    """The source of the connector 'kafka'."""
    return KafkaSource(spec, spec.config, upsert=False)


def upsert_source(spec: SourceSpec) -> Source:
    """The source of the connector 'upsert-kafka'."""
    return KafkaSource(spec, spec.config.common(spec.table.primary_key), upsert=True)


def _split(place: Place) -> str:
    return f"{place[0]}:{place[1]}"
