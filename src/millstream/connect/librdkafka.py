"""The door to librdkafka itself, the C library inside the Kafka client's wheel.

in      nothing; the library is the very file the Python client has loaded, found beside it
out     its public functions with their types, or None where it cannot be used: another version
        than the one the client names, one not known here, no file beside the client (a client
        built from source), a system that is not 64 bits, or MILLSTREAM_KAFKA_CLIENT=python
bad     errors of the library as the client's own KafkaException; whoever gets None takes the
        Python client, which does the same, slower
memory  no pointer leaves a call unless its comment says who frees it
source  rdkafka.h of 2.2, 2.8 and 2.15: these functions and the message's layout are the same in
        all three; 2.16, which the client's wheel has now, by the tests
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from ctypes import POINTER, c_char_p, c_int, c_int32, c_int64, c_size_t, c_ssize_t, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, Final

from millstream.connect import kafka_client as door

VARIABLE: Final = "MILLSTREAM_KAFKA_CLIENT"
VERSIONS: Final = (0x02020000, 0x03000000)
"""From 2.2 on, below 3.0."""
TEXT_BYTES: Final = 512
ERROR_CALLBACK: Final = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_void_p)
FATAL: Final = -150
CONF_OK: Final = 0
CONSUMER: Final = 1

# What a message is: rd_kafka_message_t, 72 bytes. Kernels read it by these places.
(AT_ERROR, AT_TOPIC, AT_PARTITION, AT_VALUE, AT_VALUE_BYTES, AT_KEY, AT_KEY_BYTES, AT_OFFSET,
 AT_PRIVATE) = range(0, 72, 8)  # fmt: skip

_FUNCTIONS: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "version": (c_int, ()),
    "conf_new": (c_void_p, ()),
    "conf_destroy": (None, (c_void_p,)),
    "conf_set": (c_int, (c_void_p, c_char_p, c_char_p, c_char_p, c_size_t)),
    "conf_set_error_cb": (None, (c_void_p, ERROR_CALLBACK)),
    "new": (c_void_p, (c_int, c_void_p, c_char_p, c_size_t)),
    "destroy_flags": (None, (c_void_p, c_int)),
    "fatal_error": (c_int, (c_void_p, c_char_p, c_size_t)),
    "err2str": (c_char_p, (c_int,)),
    "error_code": (c_int, (c_void_p,)),
    "error_string": (c_char_p, (c_void_p,)),
    "error_is_fatal": (c_int, (c_void_p,)),
    "error_is_retriable": (c_int, (c_void_p,)),
    "error_txn_requires_abort": (c_int, (c_void_p,)),
    "error_destroy": (None, (c_void_p,)),
    "poll_set_consumer": (c_int, (c_void_p,)),
    "queue_get_consumer": (c_void_p, (c_void_p,)),
    "queue_destroy": (None, (c_void_p,)),
    "consumer_close": (c_int, (c_void_p,)),
    "topic_partition_list_new": (c_void_p, (c_int,)),
    "topic_partition_list_add": (c_void_p, (c_void_p, c_char_p, c_int32)),
    "topic_partition_list_set_offset": (c_int, (c_void_p, c_char_p, c_int32, c_int64)),
    "topic_partition_list_destroy": (None, (c_void_p,)),
    "incremental_assign": (c_void_p, (c_void_p, c_void_p)),
    "incremental_unassign": (c_void_p, (c_void_p, c_void_p)),
    "pause_partitions": (c_int, (c_void_p, c_void_p)),
    "resume_partitions": (c_int, (c_void_p, c_void_p)),
    "commit": (c_int, (c_void_p, c_void_p, c_int)),
    "topic_new": (c_void_p, (c_void_p, c_char_p, c_void_p)),
    "topic_name": (c_char_p, (c_void_p,)),
    "topic_destroy": (None, (c_void_p,)),
    "metadata": (c_int, (c_void_p, c_int, c_void_p, POINTER(c_void_p), c_int)),
    "metadata_destroy": (None, (c_void_p,)),
    "get_watermark_offsets": (
        c_int, (c_void_p, c_char_p, c_int32, POINTER(c_int64), POINTER(c_int64)),
    ),
    "consume_batch_queue": (c_ssize_t, (c_void_p, c_int, c_void_p, c_size_t)),
    "message_destroy": (None, (c_void_p,)),
    "message_timestamp": (c_int64, (c_void_p, POINTER(c_int))),
    "message_leader_epoch": (c_int32, (c_void_p,)),
    "message_headers": (c_int, (c_void_p, POINTER(c_void_p))),
    "header_get_all": (
        c_int, (c_void_p, c_size_t, POINTER(c_char_p), POINTER(c_void_p), POINTER(c_size_t)),
    ),
}  # fmt: skip


class Library:
    """The functions, each under its name without ``rd_kafka_``; a call lets other threads run."""

    def __init__(self, loaded: ctypes.CDLL) -> None:
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(loaded, f"rd_kafka_{name}")
            function.restype, function.argtypes = result, list(arguments)
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:  # for the type checker: all are set above
        raise AttributeError(name)

    def address(self, name: str) -> int:
        """Where a function is, for kernels; the library stays loaded as long as the process."""
        return ctypes.cast(getattr(self, name), c_void_p).value or 0

    def check_code(self, code: int) -> None:
        """Raise what a call returned as its error code."""
        if code:
            raise door.KafkaException(self.error_of(code))

    def check(self, error: int | None) -> None:
        """Raise what a call returned as its error object, which is freed here."""
        if not error:
            return
        try:
            found = door.Code(
                self.error_code(error),
                text(self.error_string(error)),
                bool(self.error_is_fatal(error)),
                bool(self.error_is_retriable(error)),
                bool(self.error_txn_requires_abort(error)),
            )
        finally:
            self.error_destroy(error)
        raise door.KafkaException(found)

    def error_of(self, code: int, reason: str | None = None) -> Any:
        """Return the client's error object of a code."""
        return door.Code(code, reason if reason is not None else text(self.err2str(code)))

    def configured(self, settings: dict[str, Any], kind: int, on_error: Any) -> int:
        """Return a new client's handle, owned by the caller; ``on_error`` must outlive it."""
        said = ctypes.create_string_buffer(TEXT_BYTES)
        conf = self.conf_new()
        try:
            for name, value in settings.items():
                asked = _as_text(value).encode()
                if self.conf_set(conf, name.encode(), asked, said, TEXT_BYTES) != CONF_OK:
                    raise door.KafkaException(
                        self.error_of(door.Code._INVALID_ARG, text(said.value))
                    )
            self.conf_set_error_cb(conf, on_error)
            handle = self.new(kind, conf, said, TEXT_BYTES)
            if not handle:
                raise door.KafkaException(self.error_of(door.Code._INVALID_ARG, text(said.value)))
            conf = None  # a client that was made owns its configuration
        finally:
            if conf:
                self.conf_destroy(conf)
        return int(handle)

    @contextlib.contextmanager
    def partitions(self, places: list[Any]) -> Iterator[int]:
        """Give a list of the client's TopicPartitions in C; it is freed behind the block."""
        made = self.topic_partition_list_new(len(places))
        try:
            for place in places:
                topic = place.topic.encode()
                self.topic_partition_list_add(made, topic, place.partition)
                self.topic_partition_list_set_offset(made, topic, place.partition, place.offset)
            yield made
        finally:
            self.topic_partition_list_destroy(made)


def text(found: bytes | None) -> str:
    """Return a C text; what is not UTF-8 in it is marked."""
    return (found or b"").decode(errors="replace")


@cache
def library() -> Library | None:
    """Return the library the Python client has loaded, if it is one we know."""
    if os.environ.get(VARIABLE, "").lower() == "python" or ctypes.sizeof(c_void_p) != 8:
        return None
    if sys.byteorder != "little":
        return None  # kernels read a message's 32-bit fields as the low half of a word
    for file in _files():
        try:
            # The file is loaded already: the system gives the same library, not a second one.
            found = Library(ctypes.CDLL(str(file)))
        except (OSError, AttributeError):
            continue
        if found.version() == door.library_version() and _known(found.version()):
            return found
    return None


def _known(version: int) -> bool:
    return VERSIONS[0] <= version < VERSIONS[1]


def _files() -> list[Path]:
    """The library inside the wheel: beside the package on Linux, inside it on macOS."""
    package = door.package_folder()
    beside = package.with_name(package.name + ".libs")
    return [*sorted(beside.glob("librdkafka*.so*")), *sorted(package.glob(".dylibs/librdkafka*"))]


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
