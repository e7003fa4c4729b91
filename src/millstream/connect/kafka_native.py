"""Receives through librdkafka itself: messages become columns, no object is made for any of them.

in      what librdkafka has fetched, taken many at a time
out     blocks whose bytes are copies of ours; the library's messages are freed before a call ends
state   the client's handle and its queue; both are freed by ``close``, or with this object
memory  the addresses of messages live within ``receive`` alone: librdkafka gives them, they are
        read and copied, and given back in a ``finally``. The callback that librdkafka calls is
        kept as long as the handle; it is only called while a call of ours waits in the library.
bad     as with the Python client: what is no message is an event, a call that fails raises the
        client's KafkaException
"""

from __future__ import annotations

import ctypes
import math
import weakref
from itertools import pairwise
from typing import Any, Final

import numpy as np
import polars as pl

from millstream.connect import kafka_client as door
from millstream.connect.kafka_consume import Arrived, Happening
from millstream.connect.kafka_kernels import (
    FIELDS,
    copy_payloads,
    free_all,
    lay_out,
    read_epochs,
    read_fields,
    read_times,
)
from millstream.connect.kafka_messages import (
    Block,
    Place,
    binary_column,
    headers_column,
    room_of,
    times_columns,
)
from millstream.connect.kafka_options import READ, KafkaConfig
from millstream.connect.librdkafka import (
    AT_ERROR,
    AT_KEY,
    AT_KEY_BYTES,
    AT_OFFSET,
    AT_PARTITION,
    AT_TOPIC,
    AT_VALUE,
    AT_VALUE_BYTES,
    CONSUMER,
    ERROR_CALLBACK,
    FATAL,
    TEXT_BYTES,
    Library,
    text,
)

WITHOUT_CONSUMER_CLOSE: Final = 8
"""A flag of destroy: whoever has not closed will not wait for the group either."""


class NativeReceiver:
    """Receives through librdkafka."""

    def __init__(
        self,
        library: Library,
        config: KafkaConfig,
        complaints: door.Complaints,
        wanted: frozenset[str],
    ) -> None:
        self._library = library
        self._wanted = wanted
        self._free = library.address("message_destroy")
        self._time_of = library.address("message_timestamp")
        self._epoch_of = library.address("message_leader_epoch")
        self._messages = np.zeros(0, np.int64)
        self._messages_at = 0
        self._ends = ctypes.c_int64(), ctypes.c_int64()
        self._compile()
        settings = door.client_settings(config, READ, complaints)
        on_error = ERROR_CALLBACK(_complaining(library, settings.pop("error_cb")))
        try:
            handle = library.configured(settings, CONSUMER, on_error)
        except door.KafkaException as error:
            raise door.not_taken(error, config) from None
        library.poll_set_consumer(handle)
        self._handle: int | None = handle
        self._queue = library.queue_get_consumer(handle)
        # The arguments keep the callback alive until the handle is gone.
        self._end = weakref.finalize(self, _destroyed, library, handle, self._queue, on_error)
        self._end.atexit = False

    def receive(self, count: int, wait_s: float) -> Arrived:
        """Return at most ``count`` of what is there; wait for the first one if nothing is."""
        assert self._handle is not None, "receive after close"
        if len(self._messages) < count:
            self._messages = np.zeros(count, np.int64)
            self._messages_at = int(self._messages.ctypes.data)
        found = self._take(0, count, 0)
        if not found and wait_s > 0:
            # Asked for n it waits for all n: wait for one, then take what came with it.
            found = self._take(0, 1, math.ceil(wait_s * 1000))
            if found and count > 1:
                found += self._take(found, count - found, 0)
        messages = self._messages[:found]  # ours from here to free_all
        try:
            return self._arrived(messages) if found else Arrived()
        finally:
            free_all(messages, self._free)

    def assign_more(self, places: list[Any]) -> None:
        """Read these partitions too, each from its offset."""
        with self._library.partitions(places) as made:
            self._library.check(self._library.incremental_assign(self._handle, made))

    def assign_less(self, places: list[Any]) -> None:
        """Read these partitions no longer."""
        with self._library.partitions(places) as made:
            self._library.check(self._library.incremental_unassign(self._handle, made))

    def pause(self, places: list[Any]) -> None:
        """Fetch these partitions no more for now."""
        with self._library.partitions(places) as made:
            self._library.check_code(self._library.pause_partitions(self._handle, made))

    def resume(self, places: list[Any]) -> None:
        """Fetch these partitions again."""
        with self._library.partitions(places) as made:
            self._library.check_code(self._library.resume_partitions(self._handle, made))

    def tell_group(self, places: list[Any]) -> None:
        """Commit offsets to the group; nobody waits for it."""
        with self._library.partitions(places) as made:
            self._library.check_code(self._library.commit(self._handle, made, 1))

    def look_up(self, topic: str) -> None:
        """Ask for the topic's partitions, so that the client knows them."""
        library = self._library
        named = library.topic_new(self._handle, topic.encode(), None)
        if not named:
            raise door.KafkaException(library.error_of(door.Code._INVALID_ARG))
        answer = ctypes.c_void_p()  # set by a call that succeeds, and then ours to free
        try:
            wait_ms = int(door.STEP_S * 1000)
            code = library.metadata(self._handle, 0, named, ctypes.byref(answer), wait_ms)
            library.check_code(code)
        finally:
            if answer.value:
                library.metadata_destroy(answer)
            library.topic_destroy(named)

    def known_end(self, place: Place) -> int:
        """Return where the partition ended when the client last heard of it; negative: unknown."""
        low, high = self._ends
        named = place[0].encode()
        self._library.check_code(
            self._library.get_watermark_offsets(
                self._handle, named, place[1], ctypes.byref(low), ctypes.byref(high)
            )
        )
        return high.value

    def close(self) -> None:
        """Leave the cluster and free everything."""
        if self._handle is None:
            return
        self._handle = None
        self._end()

    # ------------------------------------------------------------------ messages

    def _compile(self) -> None:
        """Compile the kernels before the library has given anything away."""
        nothing = np.zeros(0, np.int64)
        read_fields(nothing, np.zeros((FIELDS, 0), np.int64), nothing)
        lay_out(nothing, nothing, np.zeros(1, np.int64))
        copy_payloads(nothing, np.zeros(1, np.int64), 0)
        read_times(nothing, self._time_of, nothing, 0)
        read_epochs(nothing, self._epoch_of, np.zeros(0, np.int32))
        free_all(nothing, self._free)

    def _take(self, at: int, count: int, wait_ms: int) -> int:
        """Let the library write addresses of messages from place ``at`` on; return how many."""
        room = self._messages_at + at * self._messages.itemsize
        return max(0, int(self._library.consume_batch_queue(self._queue, wait_ms, room, count)))

    def _arrived(self, messages: np.ndarray) -> Arrived:
        count = len(messages)
        fields, runs = np.empty((FIELDS, count), np.int64), np.empty(count + 1, np.int64)
        found = read_fields(messages, fields, runs)
        runs[found] = count
        cuts = runs[: found + 1].tolist()
        blocks, happenings = [], []
        for begin, end in pairwise(cuts):
            topic, error = int(fields[AT_TOPIC // 8, begin]), int(fields[AT_ERROR // 8, begin])
            # The address of a topic is good as long as a message of it is.
            name = text(self._library.topic_name(topic)) if topic else ""
            place = (name, int(fields[AT_PARTITION // 8, begin]))
            run = fields[:, begin:end]
            if error:
                happenings += self._happenings(place, error, run)
            else:
                blocks.append(self._block(place, messages[begin:end], run))
        return Arrived(blocks, happenings)

    def _happenings(self, place: Place, code: int, run: np.ndarray) -> list[Happening]:
        said = []
        for k in range(run.shape[1]):  # errors are few
            where, size = int(run[AT_VALUE // 8, k]), int(run[AT_VALUE_BYTES // 8, k])
            reason = text(ctypes.string_at(where, size)).rstrip("\0") if where else None
            error = self._library.error_of(code, reason)
            said.append(Happening(place, int(run[AT_OFFSET // 8, k]), error))
        return said

    def _block(self, place: Place, messages: np.ndarray, run: np.ndarray) -> Block:
        values = _payloads(run[AT_VALUE // 8], run[AT_VALUE_BYTES // 8])
        more: dict[str, pl.Series] = {}
        if "key" in self._wanted:
            more["key"] = binary_column(*_payloads(run[AT_KEY // 8], run[AT_KEY_BYTES // 8]))
        if "headers" in self._wanted:
            # A Python loop over messages, where somebody reads headers.
            more["headers"] = headers_column([self._headers(m) for m in messages.tolist()])
        if self._wanted & {"timestamp", "timestamp-type"}:
            times, kinds = np.empty(len(messages), np.int64), np.empty(len(messages), np.int32)
            read_times(messages, self._time_of, times, int(kinds.ctypes.data))
            more |= times_columns(times, kinds)
        if "leader-epoch" in self._wanted:
            epochs = np.empty(len(messages), np.int32)
            read_epochs(messages, self._epoch_of, epochs)
            more["leader-epoch"] = pl.Series(epochs).set(pl.Series(epochs < 0), None)
        return Block(place, *values, run[AT_OFFSET // 8].copy(), more)

    def _headers(self, message: int) -> list[tuple[str, bytes | None]]:
        """Return copies of a message's headers; the list itself stays the message's."""
        library = self._library
        held = ctypes.c_void_p()
        if library.message_headers(message, ctypes.byref(held)):
            return []
        name, value, size = ctypes.c_char_p(), ctypes.c_void_p(), ctypes.c_size_t()
        found: list[tuple[str, bytes | None]] = []
        while not library.header_get_all(
            held, len(found), ctypes.byref(name), ctypes.byref(value), ctypes.byref(size)
        ):
            copied = ctypes.string_at(value.value, size.value) if value.value else None
            found.append((text(name.value), copied))
        return found


def _payloads(
    addresses: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Copy the bytes at some addresses; returns them, where each begins, and which there are."""
    places = np.empty(len(addresses) + 1, np.int64)
    missing = lay_out(addresses, sizes, places)
    data = room_of(int(places[-1]))
    copy_payloads(addresses, places, int(data.ctypes.data))
    return data, places, addresses != 0 if missing else None


def _complaining(library: Library, heard: Any) -> Any:
    """Return librdkafka's error callback; called on our own thread, while it polls."""

    def on_error(handle: int, code: int, reason: bytes | None, _: int | None) -> None:
        if code == FATAL:
            said = ctypes.create_string_buffer(TEXT_BYTES)
            code = library.fatal_error(handle, said, TEXT_BYTES)
            heard(door.Code(code, text(said.value), True))
            return
        heard(library.error_of(code, text(reason)))

    return on_error


def _destroyed(library: Library, handle: int, queue: int, on_error: Any) -> None:
    """Close and free a client: first the queue, then the consumer, last the handle."""
    library.queue_destroy(queue)
    library.consumer_close(handle)
    library.destroy_flags(handle, WITHOUT_CONSUMER_CLOSE)
    del on_error  # nobody calls it any more
