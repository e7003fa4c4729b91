"""Delivers alerts: each change of state is told once to each channel, through restarts.

delivery   exactly once into the record of alerts, which lies in the checkpoint folder; from there
           each notification is sent under an id that never changes, and once but for a crash
           between the receiver's answer and our note of it. Without a checkpoint folder the record
           is in memory, and a restart may tell again
in         rows as a step :mod:`millstream.plan.alert` gives them
rooms      ``alert_desk`` (records and threads), ``alert_board`` (decisions), ``alert_channels``
bad        a channel that fails is tried again; the pipeline never waits for one
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from millstream.connect.alert_channels import channels_of
from millstream.connect.alert_desk import AlertDesk
from millstream.connect.alert_outbox import FOLDER, MemoryOutbox, Outbox, StoreOutbox
from millstream.connect.alert_values import Inhibition, Policy, Rule, Transition
from millstream.errors import OptionError, PlanError
from millstream.plan.alert import CONNECTOR as NAME
from millstream.plan.alert import Declared
from millstream.ports.connector import Connector, Delivered, Sink, SinkSpec
from millstream.settings import Settings, option
from millstream.stores.open import open_store

if TYPE_CHECKING:
    import polars as pl

    from millstream.plan.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsConfig:
    """The Python value an alert's table stands for."""

    target: Any = option(
        "target",
        "Made by CREATE ALERT and stream.alert; cannot be written.",
        default=None,
        kind="any",
    )

    def __post_init__(self) -> None:
        if not isinstance(self.target, Declared):
            raise OptionError(
                "A table of the connector 'alerts' is made by CREATE ALERT alone.",
                hint="CREATE ALERT name ON table WHEN condition TO 'log';",
            )
        channels_of(self.target.to)


def rule_of(said: Declared) -> Rule:
    """Return what a declared alert watches, and whom it is told to."""
    node = said.alert
    return Rule(
        name=node.alert,
        condition=node.condition,
        for_ms=node.for_ms,
        severity=node.severity,
        by=node.key,
        channels=tuple(channel.name for channel in channels_of(said.to)),
        repeat_ms=said.repeat_ms,
    )


def settled(
    tables: Iterable[Table], settings: Settings, newest_epoch: Callable[[], int]
) -> AlertDesk | None:
    """Give the alerts among a job's tables one desk; None where there are none.

    ``newest_epoch``: that of the checkpoint folder, 0 = none.
    """
    targets: list[Declared] = [t.options["target"] for t in tables if t.connector == NAME]
    if not targets:
        return None
    names = [target.alert.alert for target in targets]
    double = next((n for i, n in enumerate(names) if n in names[:i]), None)
    if double is not None:
        raise PlanError(f"Two alerts are called '{double}'.", hint="Give each a name of its own.")

    def outbox() -> Outbox:
        if settings.checkpoint_dir is None:
            return MemoryOutbox()
        return StoreOutbox(open_store(f"{settings.checkpoint_dir.rstrip('/')}/{FOLDER}", settings))

    desk = AlertDesk(
        [rule_of(target) for target in targets],
        {channel.name: channel for target in targets for channel in channels_of(target.to)},
        policy=policy_of(settings),
        outbox=outbox,
        newest_epoch=newest_epoch,
        job=settings.pipeline_name,
    )
    for target in targets:
        target.desk = desk
    return desk


def policy_of(settings: Settings) -> Policy:
    """Return how notifications are put together, as the settings say."""
    inhibitions: tuple[Inhibition, ...] = ()
    said = settings.alerts_inhibit_by.strip()
    if said.lower() != "off":
        equal = None if said == "*" else tuple(n.strip() for n in said.split(",") if n.strip())
        inhibitions = (
            Inhibition(equal=equal),
            Inhibition(source="warning", targets=("info",), equal=equal),
        )
    return Policy(group_wait_ms=settings.alerts_group_wait_ms, inhibitions=inhibitions)


class AlertSink(Sink):
    """Notes transitions at the desk of its job."""

    def __init__(self, table: str, said: Declared) -> None:
        self._name = table
        if said.desk is None:
            said.desk = AlertDesk([rule_of(said)], {c.name: c for c in channels_of(said.to)})
        self._desk: AlertDesk = said.desk
        self._open = False

    def open(self, pipeline: str, incarnation: int) -> int | None:
        last = self._desk.open(self._name, pipeline, incarnation)
        self._open = True
        return last

    def deliver(self, epoch: int, frames: Sequence[pl.DataFrame]) -> Delivered:
        rows = [row for frame in frames for row in transitions(frame)]
        self._desk.take(self._name, epoch, rows)
        return Delivered(len(rows))

    def write(self, frame: pl.DataFrame) -> Delivered:
        self._desk.take(self._name, None, transitions(frame))
        return Delivered(frame.height)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._desk.leave()


def transitions(frame: pl.DataFrame) -> list[Transition]:
    """Return rows of a step Alert as values."""
    # Row by row: transitions are few, and each is told to people.
    return [
        Transition(
            alert=row["alert"],
            fingerprint=row["fingerprint"],
            labels=json.loads(row["labels"]),
            state=row["state"],
            severity=row["severity"],
            summary=row["summary"],
            since_ms=_ms(row["since"]),
            at_ms=_ms(row["changed_at"]),
            number=row["number"],
            details=json.loads(row["details"], parse_float=_number),
        )
        for row in _physical(frame).iter_rows(named=True)
    ]


def _physical(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    return frame.with_columns(pl.col("since", "changed_at").dt.epoch("ms"))


def _number(text: str) -> float | str:
    """Return a number; as text what a float would show with other digits."""
    value = float(text)
    return value if Decimal(repr(value)) == Decimal(text) else text


def _ms(value: Any) -> int:
    assert isinstance(value, int), "instants are numbers here"
    return value


def _sink(spec: SinkSpec) -> AlertSink:
    return AlertSink(spec.table.name, spec.config.target)


CONNECTOR = Connector(
    name=NAME,
    doc="Tells channels (webhook, Slack, e-mail, log) of alerts; made by CREATE ALERT.",
    config=AlertsConfig,
    sink=_sink,
    guarantee="exactly once into the record of alerts; each notification under an id of its own",
)
