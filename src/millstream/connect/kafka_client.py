"""The one door to the Kafka client library: clients, look-ups, and its errors in our words.

in      a config of ``kafka_options``
out     consumers, producers and admin clients that log nothing; topics, partitions and offsets
bad     every call that waits has a limit; an unreachable broker, a refused password, a wrong
        certificate or an unknown topic is one ConnectorError that says so
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from millstream.connect.kafka_options import (
    BOTH,
    READ,
    WRITE,
    KafkaConfig,
    checked_properties,
)
from millstream.errors import ConnectorError, Domain, MillstreamError, MissingExtra, Retry
from millstream.ports.options import Secret

try:
    import confluent_kafka as client
    from confluent_kafka import admin as client_admin
except ImportError:
    raise MissingExtra("confluent-kafka", "kafka", where="connector 'kafka'") from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

JUST_MADE_S: Final = 2.0
"""How long a topic that is not there is looked for again."""
LOOK_AGAIN_S: Final = 0.1
CONNECT_LIMIT_S: Final = 12.0
"""How long a broker may take to answer the first time; names, ports and passwords fail sooner."""
DOWN_LIMIT_S: Final = 5.0
"""The same where every address refuses the connection or has no such name."""
REQUEST_LIMIT_S: Final = 30.0
STEP_S: Final = 0.5
RETRY_S: Final = 0.1
MESSAGE_BYTES_MAX: Final = 1_000_000
MESSAGE_BYTES_MIN: Final = 1_000
FRAMING_BYTES: Final = 100
"""What the broker counts around one message: the batch's header and the record's."""

Code = client.KafkaError
TopicPartition = client.TopicPartition
KafkaException = client.KafkaException
_AUTH = {Code._AUTHENTICATION, Code.SASL_AUTHENTICATION_FAILED, Code.TOPIC_AUTHORIZATION_FAILED,
         Code.GROUP_AUTHORIZATION_FAILED, Code.CLUSTER_AUTHORIZATION_FAILED}  # fmt: skip
_UNREACHABLE = {
    Code._TRANSPORT, Code._ALL_BROKERS_DOWN, Code._TIMED_OUT, Code._RESOLVE, Code._MSG_TIMED_OUT,
    Code.REQUEST_TIMED_OUT, Code.NETWORK_EXCEPTION, Code._TIMED_OUT_QUEUE,
}  # fmt: skip
FENCED: Final = {Code._FENCED, Code.PRODUCER_FENCED, Code.INVALID_PRODUCER_EPOCH}
"""Another producer has our transactional id."""
_WRONG = {
    Code._UNKNOWN_TOPIC, Code._UNKNOWN_PARTITION, Code.TOPIC_EXCEPTION, Code._INVALID_ARG,
    Code.INVALID_CONFIG, Code.INVALID_TRANSACTION_TIMEOUT, Code.INVALID_REPLICATION_FACTOR,
    Code.UNSUPPORTED_VERSION, Code._UNSUPPORTED_FEATURE, Code.POLICY_VIOLATION,
}  # fmt: skip
_FULL = {Code._QUEUE_FULL, Code.THROTTLING_QUOTA_EXCEEDED, Code.KAFKA_STORAGE_ERROR}
_BAD = {Code.MSG_SIZE_TOO_LARGE, Code.INVALID_RECORD, Code.INVALID_MSG, Code._BAD_MSG}
# A consumer prefetches up to these; after a full queue librdkafka would sleep a whole second. One
# partition gives 4 MiB an answer, a quarter of the requests of 1 MiB; one broker 16 MiB, not 50.
_CONSUMER: dict[str, Any] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "fetch.queue.backoff.ms": 10,
    "fetch.wait.max.ms": 100,
    "queued.min.messages": 200_000,
    "queued.max.messages.kbytes": 65_536,
    "max.partition.fetch.bytes": 4 << 20,
    "fetch.max.bytes": 16 << 20,
}
# A frame is handed over at once, so large ones fill batches without waiting: 2 ms cost no more of
# the processor than 20 there. A trickle costs more requests (docs/decisions/0701), and is sooner.
_PRODUCER: dict[str, Any] = {
    "enable.idempotence": True,
    "linger.ms": 2,
    "queue.buffering.max.messages": 1_000_000,
    "partitioner": "murmur2_random",
    "delivery.report.only.error": True,
}


@dataclass(slots=True)
class Complaints:
    """What librdkafka said through its error callback; the newest of each kind."""

    by_code: dict[int, Any] = field(default_factory=dict)

    def __call__(self, error: Any) -> None:
        """Librdkafka's error callback."""
        self.by_code[error.code()] = error

    def decisive(self) -> Any | None:
        """An error that waiting cannot mend: a refused login or certificate."""
        return next((self.by_code[c] for c in (*_AUTH, Code._SSL) if c in self.by_code), None)

    def telling(self) -> Any | None:
        """The most telling error so far."""
        names = (Code._RESOLVE, Code._TRANSPORT, *self.by_code)
        return self.decisive() or next((self.by_code[c] for c in names if c in self.by_code), None)


def client_settings(config: KafkaConfig, use: str, complaints: Complaints) -> dict[str, Any]:
    """The property set of one client; ``use`` is READ, WRITE or BOTH (an admin client)."""
    base = {READ: _CONSUMER, WRITE: _PRODUCER, BOTH: {}}[use]
    said = {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, (value, who) in checked_properties(config.properties).items()
        if who in (BOTH, use) and name != "auto.offset.reset"
    }
    if use == READ:
        said.setdefault("group.id", "millstream")
    return {**base, **said, "log_level": 0, "error_cb": complaints}


def consumer(config: KafkaConfig, complaints: Complaints, **more: Any) -> client.Consumer:
    """A consumer without subscription; partitions are assigned by the caller."""
    return _made(client.Consumer, {**client_settings(config, READ, complaints), **more}, config)


def producer(
    config: KafkaConfig, complaints: Complaints, *, bytes_max: int | None, **more: Any
) -> client.Producer:
    """An idempotent producer; ``more`` adds the transactional id.

    ``bytes_max`` is the topic's limit: kept here, one large row is refused alone, while the broker
    would refuse the whole batch it travels in.
    """
    settings = {**client_settings(config, WRITE, complaints), **more}
    if bytes_max is not None:
        own = int(settings.get("message.max.bytes", MESSAGE_BYTES_MAX))
        limit = max(MESSAGE_BYTES_MIN, min(own, bytes_max - FRAMING_BYTES))
        batch = int(settings.get("batch.size", MESSAGE_BYTES_MAX))
        settings |= {"message.max.bytes": limit, "batch.size": min(batch, limit)}
    return _made(client.Producer, settings, config)


def library_version() -> int:
    """The version of librdkafka the client has loaded, as a number such as 0x020a00ff."""
    return int(client.libversion()[1])


def package_folder() -> Path:
    """Where the client's package is; the wheel puts librdkafka beside or inside it."""
    return Path(client.__file__).parent


def _made(kind: Any, settings: dict[str, Any], config: KafkaConfig) -> Any:
    try:
        return kind(settings)
    except client.KafkaException as error:
        raise not_taken(error, config) from None


def not_taken(error: Any, config: KafkaConfig) -> ConnectorError:
    """The error for properties that a client refuses."""
    return in_our_words(error, config, "The Kafka client does not take its properties")


def in_our_words(
    error: Any, config: KafkaConfig, doing: str, complaints: Complaints | None = None
) -> ConnectorError:
    """Translate a KafkaException or KafkaError; what librdkafka complained of says more."""
    found = error.args[0] if isinstance(error, client.KafkaException) else error
    if complaints is not None and found.code() in _UNREACHABLE:
        found = complaints.telling() or found
    code, text = found.code(), str(found.str()).strip()
    where = f"Kafka at {config.servers}"
    domain, retry = _kind_of(found)
    if code in (Code._AUTHENTICATION, Code.SASL_AUTHENTICATION_FAILED):
        fact = f"The broker refused the login: {text}"
        hint = "Check 'properties.sasl.username', '.sasl.password' and '.sasl.mechanism'."
    elif code in _AUTH:
        fact = f"{doing}: not allowed: {text}"
        hint = "Ask for the right to do this, or use another user."
    elif code == Code._SSL:
        fact = f"The TLS handshake failed: {text}"
        hint = "Check 'properties.ssl.ca.location' and the host name in the certificate."
    elif code in _UNREACHABLE:
        fact = f"{doing}: the broker does not answer: {text}"
        hint = "Check 'properties.bootstrap.servers', that the broker runs, and "
        hint += "'properties.security.protocol'."
    else:
        fact, hint = f"{doing}: {text} ({found.name()})", None
    return ConnectorError(fact, where=where, hint=hint, domain=domain, retry=retry)


def _kind_of(error: Any) -> tuple[Domain, Retry]:
    code = error.code()
    if code in _AUTH or code == Code._SSL:
        return Domain.AUTH, Retry.NEVER
    if code in FENCED:
        return Domain.FENCED, Retry.NEVER
    if code in _UNREACHABLE:
        return Domain.NETWORK, Retry.LATER
    if code in _WRONG:
        return Domain.CONFIG, Retry.NEVER
    if code in _FULL:
        return Domain.LIMIT, Retry.LATER
    if code in _BAD:
        return Domain.DATA, Retry.NEVER
    return Domain.SYSTEM, Retry.LATER if _passes(error) else Retry.NEVER


class Cluster:
    """Look-ups that need no group: topics, partitions, offsets. Opened when first asked."""

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._complaints = Complaints()
        self._admin: client_admin.AdminClient | None = None
        self._answered = False

    def _client(self) -> client_admin.AdminClient:
        if self._admin is None:
            settings = client_settings(self._config, BOTH, self._complaints)
            self._admin = _made(client_admin.AdminClient, settings, self._config)
        return self._admin

    def close(self) -> None:
        """Forget the client; its threads end with it."""
        self._admin = None

    def partitions(self, topic: str | None = None) -> dict[str, list[int]]:
        """Each topic's partitions; asks in short steps, so that a refused login tells at once."""
        began = time.monotonic()
        admin = self._client()
        while True:
            try:
                found = admin.list_topics(topic, timeout=STEP_S)
            except client.KafkaException as error:
                admin.poll(0)
                hopeless = self._complaints.decisive() is not None
                if hopeless or time.monotonic() > began + self._patience_s():
                    raise in_our_words(
                        error, self._config, "Topics cannot be listed", self._complaints
                    ) from None
            else:
                self._answered = True
                return {
                    name: sorted(about.partitions)
                    for name, about in found.topics.items()
                    if about.error is None
                }

    def _patience_s(self) -> float:
        if self._answered:
            return REQUEST_LIMIT_S
        down = Code._ALL_BROKERS_DOWN in self._complaints.by_code
        return DOWN_LIMIT_S if down else CONNECT_LIMIT_S

    def read_topics(self) -> dict[str, list[int]]:
        """Partitions of the topics the config names; ConnectorError for a topic that is not."""
        there = self.partitions()
        pattern = self._config.topic_pattern
        if pattern is not None:
            return {name: p for name, p in there.items() if re.fullmatch(pattern, name)}
        for name in self._config.topic:
            if name not in there:
                there = self.with_topic(name, there)
            if name not in there:
                raise unknown_topic(name, there, self._config)
        return {name: there[name] for name in self._config.topic}

    def with_topic(self, name: str, there: dict[str, list[int]]) -> dict[str, list[int]]:
        """Look again for a short while: brokers tell of a topic that was just made a bit later."""
        end = time.monotonic() + JUST_MADE_S
        while name not in there and time.monotonic() < end:
            time.sleep(LOOK_AGAIN_S)
            there = self.partitions()
        return there

    def offsets(
        self, places: Iterable[tuple[str, int]], at: int | str, *, committed_only: bool
    ) -> dict[tuple[str, int], int]:
        """Offsets at "earliest", "latest" or a time in ms; -1 where nothing is that late."""
        level = client.IsolationLevel
        spec: Any = {
            "earliest": client_admin.OffsetSpec.earliest(),
            "latest": client_admin.OffsetSpec.latest(),
        }.get(str(at)) or client_admin.OffsetSpec.for_timestamp(int(at))
        asked = {client.TopicPartition(t, p): spec for t, p in places}

        def ask() -> dict[tuple[str, int], int]:
            found = self._client().list_offsets(
                asked,
                isolation_level=level.READ_COMMITTED if committed_only else level.READ_UNCOMMITTED,
                request_timeout=REQUEST_LIMIT_S,
            )
            return {(tp.topic, tp.partition): f.result().offset for tp, f in found.items()}

        return self._patiently(ask, "Offsets cannot be read")

    def group_offsets(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The group's committed offsets; -1 where it has none."""
        group = str(self._config.properties["group.id"])
        asked = client.ConsumerGroupTopicPartitions(
            group, [client.TopicPartition(t, p) for t, p in places]
        )

        def ask() -> dict[tuple[str, int], int]:
            found = self._client().list_consumer_group_offsets(
                [asked], request_timeout=REQUEST_LIMIT_S
            )
            parts = found[group].result().topic_partitions
            return {(p.topic, p.partition): p.offset if p.offset >= 0 else -1 for p in parts}

        return self._patiently(ask, f"The offsets of group '{group}' cannot be read")

    def _patiently(
        self, ask: Callable[[], dict[tuple[str, int], int]], doing: str
    ) -> dict[tuple[str, int], int]:
        """Ask again while the error is of the passing kind (a leader or coordinator moves)."""
        end = time.monotonic() + REQUEST_LIMIT_S
        while True:
            try:
                return ask()
            except KafkaException as error:
                if not _passes(error.args[0]) or time.monotonic() > end:
                    raise in_our_words(error, self._config, doing, self._complaints) from None
            time.sleep(RETRY_S)

    def message_bytes_max(self, topic: str) -> int | None:
        """The topic's limit for one message or batch; None where this user may not ask."""
        about = client_admin.ConfigResource(client_admin.ConfigResource.Type.TOPIC, topic)
        (asked,) = (
            self._client().describe_configs([about], request_timeout=REQUEST_LIMIT_S).values()
        )
        try:
            return int(asked.result()["max.message.bytes"].value)
        except (KafkaException, KeyError):
            return None

    def make_topic(self, name: str, *, partitions: int, config: Mapping[str, str]) -> None:
        """Create a topic; one that exists already is as good."""
        topic = client_admin.NewTopic(name, partitions, -1, config=dict(config))
        (made,) = self._client().create_topics([topic], request_timeout=REQUEST_LIMIT_S).values()
        try:
            made.result()
        except client.KafkaException as error:
            if error.args[0].code() != Code.TOPIC_ALREADY_EXISTS:
                raise in_our_words(
                    error, self._config, f"The topic '{name}' cannot be made"
                ) from None


def _passes(error: Any) -> bool:
    """Whether a look-up's error goes away by itself; the client marks only produce errors."""
    return bool(error.retriable()) or error.code() in {
        Code.NOT_LEADER_FOR_PARTITION, Code.LEADER_NOT_AVAILABLE, Code.UNKNOWN_TOPIC_OR_PART,
        Code.COORDINATOR_LOAD_IN_PROGRESS, Code.COORDINATOR_NOT_AVAILABLE, Code.NOT_COORDINATOR,
    }  # fmt: skip


def unknown_topic(name: str, there: Mapping[str, Any], config: KafkaConfig) -> MillstreamError:
    """The error for a topic that does not exist, with the near names."""
    from millstream.errors import UnknownName

    own = [topic for topic in there if not topic.startswith("_")]
    near = UnknownName("topic", name, available=own).hint
    return ConnectorError(
        f"The topic '{name}' does not exist.", where=f"Kafka at {config.servers}",
        hint=near or "Create it first.", domain=Domain.CONFIG,
    )  # fmt: skip
