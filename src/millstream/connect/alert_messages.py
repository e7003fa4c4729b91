"""Notifications as texts: Alertmanager's webhook JSON, Slack's blocks, a mail.

source  prometheus.io/docs/alerting, ``webhook_config`` version 4; api.slack.com, block kit
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from millstream.connect.alert_values import FIRING

if TYPE_CHECKING:
    from millstream.connect.alert_values import Alerted, Notification

NOT_YET = "0001-01-01T00:00:00Z"
"""The end of what still fires, as Alertmanager says it."""
SLACK_ALERTS_MAX = 40
"""A message of Slack has 50 blocks at most."""
SLACK_CHARS_MAX = 2_900
LINE_CHARS_MAX = 250
VALUE_CHARS_MAX = 1_000
"""Longer values are cut in what people read; the webhook's JSON has them whole."""
_SIGNS = {"critical": "🔴", "warning": "🟠", "info": "🔵"}


def alertmanager_json(notification: Notification) -> dict[str, Any]:
    """Return the body of Alertmanager's webhook, version 4."""
    alerts = [_alert_json(alert, notification) for alert in notification.alerts]
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{notification.alert}"}}',
        "truncatedAlerts": 0,
        "status": notification.status,
        "receiver": notification.receiver,
        "groupLabels": {"alertname": notification.alert},
        "commonLabels": _common([alert["labels"] for alert in alerts]),
        "commonAnnotations": _common([alert["annotations"] for alert in alerts]),
        "externalURL": "",
        "alerts": alerts,
    }


def slack_json(notification: Notification) -> dict[str, Any]:
    """Return a message for an incoming webhook of Slack."""
    head = subject(notification)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": head[:150]}}
    ]
    for alert in notification.alerts[:SLACK_ALERTS_MAX]:
        sign = _SIGNS[alert.severity] if alert.state == FIRING else "🟢"
        facts = " · ".join(f"*{_mrkdwn(k)}* {_mrkdwn(v)}" for k, v in _facts(alert).items())
        text = f"{sign} *{_mrkdwn(one_line(alert.summary))}*\n{facts}"[:SLACK_CHARS_MAX]
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text}})
    more = len(notification.alerts) - SLACK_ALERTS_MAX
    if more > 0:
        note = {"type": "mrkdwn", "text": f"and {more} more"}
        blocks.append({"type": "context", "elements": [note]})
    # Unlike a header of blocks the text is markup: <!channel> in a value would call everybody.
    return {"text": _mrkdwn(head), "blocks": blocks}


def one_line(text: str) -> str:
    """Return a text as one line of bounded length."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shown if len(shown) <= LINE_CHARS_MAX else f"{shown[: LINE_CHARS_MAX - 1]}…"


def subject(notification: Notification) -> str:
    """Return one line that says what is the matter."""
    firing = sum(a.state == FIRING for a in notification.alerts)
    resolved = len(notification.alerts) - firing
    parts = [f"FIRING:{firing}"] if firing else []
    parts += [f"RESOLVED:{resolved}"] if resolved else []
    again = " (still)" if notification.repeats else ""
    first = notification.alerts[0]
    said = first.summary if len(notification.alerts) == 1 else ""
    tail = f": {said}" if said and said != notification.alert else ""
    return one_line(f"[{' '.join(parts)}]{again} {notification.alert}{tail}")


def plain_text(notification: Notification) -> str:
    """Return the text of a mail."""
    lines: list[str] = []
    for alert in notification.alerts:
        lines.append(_title(alert))
        lines += [f"    {name}: {value}" for name, value in _facts(alert).items()]
        lines.append("")
    if notification.job is not None:
        lines.append(f"job: {notification.job}")
    return "\n".join(lines)


def html_text(notification: Notification) -> str:
    """Return the same for readers of HTML."""
    parts: list[str] = []
    for alert in notification.alerts:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>"
            for name, value in _facts(alert).items()
        )
        parts.append(f"<h3>{escape(_title(alert))}</h3><table>{rows}</table>")
    job = "" if notification.job is None else f"<p>job: {escape(notification.job)}</p>"
    return f"<html><body>{''.join(parts)}{job}</body></html>"


def instant(at_ms: int) -> str:
    """Return a moment as ISO 8601 in UTC."""
    seconds, rest = divmod(at_ms, 1000)
    try:
        told = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return NOT_YET  # beyond the years that there are
    return f"{told}.{rest:03d}Z"


def _alert_json(alert: Alerted, notification: Notification) -> dict[str, Any]:
    labels = {**alert.labels, "alertname": alert.alert, "severity": alert.severity}
    if notification.job is not None:
        labels.setdefault("job", notification.job)  # a key of this name tells alerts apart
    details = {name: _shown(value) for name, value in alert.details.items()}
    began_ms = alert.since_ms if alert.fired_at_ms is None else alert.fired_at_ms
    ended_ms = alert.resolved_at_ms
    return {
        "status": alert.state,
        "labels": labels,
        "annotations": {**details, "summary": alert.summary},
        "startsAt": instant(began_ms),
        "endsAt": NOT_YET if ended_ms is None else instant(ended_ms),
        "generatorURL": "",
        "fingerprint": alert.fingerprint,
    }


def _title(alert: Alerted) -> str:
    return f"{alert.state.upper()} ({alert.severity}): {one_line(alert.summary)}"


def _facts(alert: Alerted) -> dict[str, str]:
    found = dict(alert.labels)
    found |= {name: _shown(value) for name, value in alert.details.items()}
    for name, value in found.items():
        if len(value) > VALUE_CHARS_MAX:
            found[name] = f"{value[: VALUE_CHARS_MAX - 1]}…"
    found["since"] = instant(alert.since_ms)
    if alert.resolved_at_ms is not None:
        found["resolved"] = instant(alert.resolved_at_ms)
    return found


def _common(several: list[dict[str, str]]) -> dict[str, str]:
    first, *others = several
    return {k: v for k, v in first.items() if all(other.get(k) == v for other in others)}


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "NULL" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _mrkdwn(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
