"""Where the partitions of a Kafka table start and end: its startup mode and its bounded mode.

in      a config, a cluster, partitions
out     offsets; the bounded mode's are those before which a partition ends
bad     a group without offsets, a partition without a named end: ConnectorError
"""

from __future__ import annotations

from millstream.connect.kafka_client import Cluster
from millstream.connect.kafka_options import Bound, KafkaConfig, Startup, parse_offsets
from millstream.errors import ConnectorError, Domain


def start_offsets(
    config: KafkaConfig, cluster: Cluster, places: list[tuple[str, int]]
) -> dict[tuple[str, int], int]:
    """Where each partition starts by the startup mode."""
    committed_only = reads_committed(config)
    match config.startup:
        case Startup.LATEST:
            return cluster.offsets(places, "latest", committed_only=committed_only)
        case Startup.TIMESTAMP:
            assert config.startup_timestamp_ms is not None, "checked by the config"
            return _at_time(config, cluster, places, config.startup_timestamp_ms)
        case Startup.SPECIFIC:
            named = parse_offsets(config.startup_offsets or "", "scan.startup.specific-offsets")
            first = cluster.offsets(places, "earliest", committed_only=False)
            return {(t, p): named.get(p, first[t, p]) for t, p in places}
        case Startup.GROUP:
            return _group_start(config, cluster, places)
        case Startup.EARLIEST:
            return cluster.offsets(places, "earliest", committed_only=False)


def end_offsets(
    config: KafkaConfig, cluster: Cluster, places: list[tuple[str, int]]
) -> dict[tuple[str, int], int] | None:
    """The offset before which each partition ends by the bounded mode; None = never."""
    match config.bounded_mode:
        case Bound.UNBOUNDED:
            return None
        case Bound.TIMESTAMP:
            assert config.bounded_timestamp_ms is not None, "checked by the config"
            return _at_time(config, cluster, places, config.bounded_timestamp_ms)
        case Bound.SPECIFIC:
            named = parse_offsets(config.bounded_offsets or "", "scan.bounded.specific-offsets")
            for topic, partition in places:
                if partition not in named:
                    raise ConnectorError(
                        f"Partition {partition} of '{topic}' has no end offset.",
                        where="option 'scan.bounded.specific-offsets'",
                        hint="Name an offset for every partition.",
                        domain=Domain.CONFIG,
                    )
            return {(t, p): named[p] for t, p in places}
        case Bound.GROUP:
            return {place: max(o, 0) for place, o in cluster.group_offsets(places).items()}
        case Bound.LATEST:
            return cluster.offsets(places, "latest", committed_only=reads_committed(config))


def reads_committed(config: KafkaConfig) -> bool:
    """Whether rows of open and aborted transactions stay unseen (our default, unlike Flink's)."""
    return str(config.properties.get("isolation.level", "read_committed")) == "read_committed"


def _at_time(
    config: KafkaConfig, cluster: Cluster, places: list[tuple[str, int]], time_ms: int
) -> dict[tuple[str, int], int]:
    committed_only = reads_committed(config)
    found = cluster.offsets(places, time_ms, committed_only=committed_only)
    late = [place for place, offset in found.items() if offset < 0]
    if late:  # nothing is that late: the end
        found.update(cluster.offsets(late, "latest", committed_only=committed_only))
    return found


def _group_start(
    config: KafkaConfig, cluster: Cluster, places: list[tuple[str, int]]
) -> dict[tuple[str, int], int]:
    found = cluster.group_offsets(places)
    new = [place for place, offset in found.items() if offset < 0]
    if not new:
        return found
    reset = str(config.properties.get("auto.offset.reset", "none")).lower()
    if reset == "none":
        topic, partition = new[0]
        raise ConnectorError(
            f"The group '{config.properties['group.id']}' has no offset for partition "
            f"{partition} of '{topic}'.",
            where=f"Kafka at {config.servers}",
            hint="Say where to start: 'properties.auto.offset.reset' = 'earliest' or 'latest', "
            "or 'scan.startup.mode' = 'earliest-offset'.",
            domain=Domain.CONFIG,
        )
    found.update(cluster.offsets(new, reset, committed_only=reads_committed(config)))
    return found
