"""The options of the Kafka connectors, and which client properties a user may set.

in      Flink's option names; ``properties.*`` as written for Flink's Java client or for librdkafka
out     typed configs, and the property sets of one consumer, producer or admin client
bad     an unknown or refused property is an OptionError that never shows the value; the list says
        what is allowed and everything else is refused, because client properties can load
        libraries, run commands, read files and call addresses (CVE-2025-27817 is one of a kind)
secret  passwords and keys are wrapped where they are read, so that no repr shows them
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from millstream.errors import OptionError
from millstream.ports.options import Secret
from millstream.settings import option


class Startup(Enum):
    """Where reading starts when no checkpoint says it."""

    EARLIEST = "earliest-offset"
    LATEST = "latest-offset"
    GROUP = "group-offsets"
    TIMESTAMP = "timestamp"
    SPECIFIC = "specific-offsets"


class Bound(Enum):
    """Where reading ends."""

    UNBOUNDED = "unbounded"
    LATEST = "latest-offset"
    GROUP = "group-offsets"
    TIMESTAMP = "timestamp"
    SPECIFIC = "specific-offsets"


class KeyInValue(Enum):
    """Whether the value of a message also carries the key columns."""

    ALL = "all"
    EXCEPT_KEY = "except-key"


class Partitioner(Enum):
    """Which partition a message without a named partition goes to."""

    DEFAULT = "default"
    FIXED = "fixed"
    ROUND_ROBIN = "round-robin"


BOTH, READ, WRITE = "any client", "a source", "a sink"
# name as written → (librdkafka's name, who uses it)
ALLOWED: dict[str, tuple[str, str]] = {
    "bootstrap.servers": ("bootstrap.servers", BOTH),
    "client.id": ("client.id", BOTH),
    "client.rack": ("client.rack", READ),
    "broker.address.family": ("broker.address.family", BOTH),
    "security.protocol": ("security.protocol", BOTH),
    "sasl.mechanism": ("sasl.mechanism", BOTH),
    "sasl.mechanisms": ("sasl.mechanism", BOTH),
    "sasl.username": ("sasl.username", BOTH),
    "sasl.password": ("sasl.password", BOTH),
    "ssl.ca.location": ("ssl.ca.location", BOTH),
    "ssl.ca.pem": ("ssl.ca.pem", BOTH),
    "ssl.certificate.location": ("ssl.certificate.location", BOTH),
    "ssl.certificate.pem": ("ssl.certificate.pem", BOTH),
    "ssl.key.location": ("ssl.key.location", BOTH),
    "ssl.key.pem": ("ssl.key.pem", BOTH),
    "ssl.key.password": ("ssl.key.password", BOTH),
    "ssl.endpoint.identification.algorithm": ("ssl.endpoint.identification.algorithm", BOTH),
    "connections.max.idle.ms": ("connections.max.idle.ms", BOTH),
    "metadata.max.age.ms": ("metadata.max.age.ms", BOTH),
    "reconnect.backoff.ms": ("reconnect.backoff.ms", BOTH),
    "reconnect.backoff.max.ms": ("reconnect.backoff.max.ms", BOTH),
    "socket.timeout.ms": ("socket.timeout.ms", BOTH),
    "request.timeout.ms": ("socket.timeout.ms", BOTH),
    "group.id": ("group.id", READ),
    "isolation.level": ("isolation.level", READ),
    "auto.offset.reset": ("auto.offset.reset", READ),
    "check.crcs": ("check.crcs", READ),
    "fetch.min.bytes": ("fetch.min.bytes", READ),
    "fetch.max.bytes": ("fetch.max.bytes", READ),
    "fetch.max.wait.ms": ("fetch.wait.max.ms", READ),
    "fetch.wait.max.ms": ("fetch.wait.max.ms", READ),
    "max.partition.fetch.bytes": ("max.partition.fetch.bytes", READ),
    "queued.min.messages": ("queued.min.messages", READ),
    "queued.max.messages.kbytes": ("queued.max.messages.kbytes", READ),
    "acks": ("acks", WRITE),
    "batch.size": ("batch.size", WRITE),
    "batch.num.messages": ("batch.num.messages", WRITE),
    "compression.type": ("compression.type", WRITE),
    "compression.level": ("compression.level", WRITE),
    "delivery.timeout.ms": ("delivery.timeout.ms", WRITE),
    "linger.ms": ("linger.ms", WRITE),
    "max.request.size": ("message.max.bytes", WRITE),
    "message.max.bytes": ("message.max.bytes", WRITE),
    "queue.buffering.max.kbytes": ("queue.buffering.max.kbytes", WRITE),
    "queue.buffering.max.messages": ("queue.buffering.max.messages", WRITE),
    "transaction.timeout.ms": ("transaction.timeout.ms", WRITE),
}
SECRET = {"sasl.password", "ssl.key.password", "ssl.key.pem"}
ONLY = {  # a property of which only some values keep the promise made for it
    "ssl.endpoint.identification.algorithm": ("https",),
    "acks": ("all", "-1"),
    "auto.offset.reset": ("earliest", "latest", "none"),
    "isolation.level": ("read_committed", "read_uncommitted"),
}
INSTEAD = {
    "ssl.truststore.location": "Give the authority as PEM: 'properties.ssl.ca.location'.",
    "ssl.truststore.password": "Give the authority as PEM: 'properties.ssl.ca.location'.",
    "ssl.keystore.location": "Give PEM files: 'properties.ssl.certificate.location' and "
    "'properties.ssl.key.location'.",
    "ssl.keystore.password": "Give PEM files and 'properties.ssl.key.password'.",
    "enable.auto.commit": "Offsets are kept in the checkpoint and told to the group after it.",
    "enable.idempotence": "The producer is always idempotent.",
    "transactional.id": "Say 'sink.transactional-id-prefix'.",
    "enable.ssl.certificate.verification": "Certificates are always checked; give the authority "
    "with 'properties.ssl.ca.location'.",
}
JAAS = re.compile(
    r"^\s*\S+\.(PlainLoginModule|ScramLoginModule)\s+(required|requisite|sufficient)\s+(.*);\s*$",
    re.DOTALL,
)
JAAS_PAIR = re.compile(r"""(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)')""")


def checked_properties(given: Mapping[str, Any]) -> dict[str, tuple[str | Secret, str]]:
    """Return librdkafka's name → (value, who uses it); raises OptionError for what is refused."""
    found: dict[str, tuple[str | Secret, str]] = {}
    for name, value in given.items():
        text = value.reveal() if isinstance(value, Secret) else str(value)
        if name == "sasl.jaas.config":
            user, password = _credentials(text)
            found["sasl.username"] = (user, BOTH)
            found["sasl.password"] = (Secret(password), BOTH)
            continue
        if name not in ALLOWED:
            raise OptionError(
                f"The Kafka property '{name}' may not be set.",
                where=f"option 'properties.{name}'",
                hint=INSTEAD.get(name) or _near(name),
            )
        if name in ONLY and text.lower() not in ONLY[name]:
            raise OptionError(
                f"The Kafka property '{name}' cannot be {text!r}.",
                where=f"option 'properties.{name}'",
                hint="Accepted: " + ", ".join(f"'{v}'" for v in ONLY[name]) + ".",
            )
        client_name, use = ALLOWED[name]
        found[client_name] = (Secret(text) if client_name in SECRET else text, use)
    if "bootstrap.servers" not in found:
        raise OptionError(
            "The option 'properties.bootstrap.servers' is missing.",
            hint="Name a broker, such as 'localhost:9092'.",
        )
    return found


def _credentials(text: str) -> tuple[str, str]:
    """User and password of a JAAS line, as scripts for Flink's Java client carry them."""
    match = JAAS.match(text)
    pairs = {k: a or b for k, a, b in JAAS_PAIR.findall(match.group(3))} if match else {}
    if not {"username", "password"} <= pairs.keys():
        raise OptionError(
            "The JAAS line has no user and password of a PLAIN or SCRAM login module.",
            where="option 'properties.sasl.jaas.config'",
            hint="Say 'properties.sasl.username' and 'properties.sasl.password' instead.",
        )
    return pairs["username"], pairs["password"].replace('\\"', '"')


def _near(name: str) -> str:
    near = difflib.get_close_matches(name, ALLOWED, n=3, cutoff=0.7)
    if near:
        return "Did you mean " + " or ".join(f"'properties.{n}'" for n in near) + "?"
    return "Only connection, TLS, SASL, batching and time-out properties are let through."


def parse_offsets(text: str, name: str) -> dict[int, int]:
    """Read ``partition:0,offset:42;partition:1,offset:300``."""
    found: dict[int, int] = {}
    for part in filter(None, (p.strip() for p in text.split(";"))):
        match = re.fullmatch(r"partition\s*:\s*(\d+)\s*,\s*offset\s*:\s*(\d+)", part)
        if match is None:
            raise OptionError(
                f"{part!r} is no partition and offset.",
                where=f"option '{name}'",
                hint="Write 'partition:0,offset:42;partition:1,offset:300'.",
            )
        found[int(match.group(1))] = int(match.group(2))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """What both connectors are told."""

    properties: Mapping[str, Any] = option(
        "properties.*",
        "Client properties (bootstrap.servers, group.id, security.protocol, sasl.*, ssl.* …). "
        "Unless said otherwise a sink has linger.ms 2 (more makes larger batches of few rows, "
        "and is waited for), a source queued.min.messages 200000, "
        "queued.max.messages.kbytes 65536, fetch.wait.max.ms 100, "
        "max.partition.fetch.bytes 4194304, fetch.max.bytes 16777216.",
        default={},
        kind="properties",
    )
    key_fields_prefix: str = option(
        "key.fields-prefix", "Put before each key column's name in the table.", default=""
    )
    value_fields_include: KeyInValue = option(
        "value.fields-include", "ALL, or EXCEPT_KEY: the value does not repeat the key columns.",
        default=KeyInValue.ALL, kind="enum",
    )  # fmt: skip
    bounded_mode: Bound = option(
        "scan.bounded.mode", "Where to end.", default=Bound.UNBOUNDED, kind="enum"
    )
    bounded_offsets: str | None = option(
        "scan.bounded.specific-offsets", "End before these offsets.", default=None
    )
    bounded_timestamp_ms: int | None = option(
        "scan.bounded.timestamp-millis", "End before the first message of this time or later.",
        default=None, kind="int",
    )  # fmt: skip
    discovery_interval_ms: int = option(
        "scan.topic-partition-discovery.interval",
        "How often to look for new partitions; 0 = never.",
        default=300_000,
        kind="duration_ms",
    )
    transactional_id_prefix: str = option(
        "sink.transactional-id-prefix",
        "Start of the transactional id; one per application and cluster.",
        default="millstream",
    )
    progress_topic: str = option(
        "sink.progress-topic",
        "Compacted topic in which each sink notes its last epoch; made when missing.",
        default="_millstream_progress",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConfig(_Shared):
    """Options of the connector 'kafka'."""

    topic: tuple[str, ...] = option(
        "topic", "Topic, or several with ';' between them.", default=(), kind="list"
    )
    topic_pattern: str | None = option(
        "topic-pattern", "Regular expression; every topic it matches is read.", default=None
    )
    key_fields: tuple[str, ...] = option(
        "key.fields", "Columns that make the message key, with 'key.format'.", default=(),
        kind="list",
    )  # fmt: skip
    startup_mode: Startup | None = option(
        "scan.startup.mode",
        "Where to start; without it the group's offsets if 'properties.group.id' is set, else "
        "the earliest.",
        default=None,
        kind="enum",
    )
    startup_offsets: str | None = option(
        "scan.startup.specific-offsets", "'partition:0,offset:42;partition:1,offset:300'.",
        default=None,
    )  # fmt: skip
    startup_timestamp_ms: int | None = option(
        "scan.startup.timestamp-millis", "Start at the first message of this time or later.",
        default=None, kind="int",
    )  # fmt: skip
    partitioner: Partitioner = option(
        "sink.partitioner",
        "'default' by key hash as Java clients do, 'fixed' (one partition), 'round-robin'.",
        default=Partitioner.DEFAULT,
        kind="enum",
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "properties", _masked(self.properties))
        if bool(self.topic) == (self.topic_pattern is not None):
            raise OptionError(
                "Exactly one of 'topic' and 'topic-pattern' is needed.",
                hint="Say 'topic' = 'orders', or 'topic-pattern' = 'orders-.*'.",
            )
        if self.topic_pattern is not None:
            try:
                re.compile(self.topic_pattern)
            except re.error as error:
                raise OptionError(
                    f"{self.topic_pattern!r} is no regular expression: {error}.",
                    where="option 'topic-pattern'",
                ) from None
        _goes_with(self.startup_mode is Startup.SPECIFIC, self.startup_offsets,
                   "scan.startup", "specific-offsets")  # fmt: skip
        _goes_with(self.startup_mode is Startup.TIMESTAMP, self.startup_timestamp_ms,
                   "scan.startup", "timestamp-millis")  # fmt: skip
        _goes_with(self.bounded_mode is Bound.SPECIFIC, self.bounded_offsets,
                   "scan.bounded", "specific-offsets")  # fmt: skip
        _goes_with(self.bounded_mode is Bound.TIMESTAMP, self.bounded_timestamp_ms,
                   "scan.bounded", "timestamp-millis")  # fmt: skip
        groups = (self.startup_mode is Startup.GROUP, self.bounded_mode is Bound.GROUP)
        if any(groups) and "group.id" not in self.properties:
            raise OptionError(
                "'group-offsets' needs a group.", hint="Say 'properties.group.id' = '…'."
            )
        for text, name in (
            (self.startup_offsets, "scan.startup.specific-offsets"),
            (self.bounded_offsets, "scan.bounded.specific-offsets"),
        ):
            if text is not None:
                parse_offsets(text, name)

    @property
    def startup(self) -> Startup:
        """The startup mode in force."""
        if self.startup_mode is not None:
            return self.startup_mode
        return Startup.GROUP if "group.id" in self.properties else Startup.EARLIEST

    @property
    def servers(self) -> str:
        """The bootstrap servers."""
        return str(self.properties["bootstrap.servers"])


@dataclass(frozen=True, slots=True, kw_only=True)
class UpsertKafkaConfig(_Shared):
    """Options of the connector 'upsert-kafka': the newest value of each key is the table."""

    topic: tuple[str, ...] = option("topic", "The topic.", kind="list")

    def __post_init__(self) -> None:
        self.common(())  # says now what is wrong with the properties and modes
        object.__setattr__(self, "properties", _masked(self.properties))

    def common(self, key: tuple[str, ...]) -> KafkaConfig:
        """The same table as the connector 'kafka' would be told to read or write it."""
        shared = {f.name: getattr(self, f.name) for f in fields(_Shared)}
        return KafkaConfig(
            topic=self.topic, key_fields=key, startup_mode=Startup.EARLIEST, **shared
        )


def _masked(given: Mapping[str, Any]) -> dict[str, Any]:
    checked_properties(given)
    return {
        name: Secret(value)
        if name in SECRET | {"sasl.jaas.config"} and not isinstance(value, Secret)
        else value
        for name, value in given.items()
    }


def _goes_with(asked: bool, value: object, stem: str, leaf: str) -> None:
    if asked and value is None:
        raise OptionError(f"The option '{stem}.{leaf}' is missing.", where=f"'{stem}.mode'")
    if not asked and value is not None:
        raise OptionError(
            f"The option '{stem}.{leaf}' has no effect without its mode.",
            hint=f"Say '{stem}.mode' = '{leaf.removesuffix('-millis')}', or leave it out.",
        )
