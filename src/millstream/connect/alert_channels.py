"""Where notifications go: webhook, Slack, e-mail, log; each made of an address.

    log
    webhook:https://host/path               Alertmanager's JSON, version 4; POST
    webhook:https://host/path#bearer-env=X  with the token that the environment variable X holds
    slack:https://hooks.example.com/…       an incoming webhook of Slack, or one that takes the same
    email:to@example.com,other@example.com?smtp=host:587&from=me@example.com
          &tls=starttls|tls|none &user=name &password-env=X

once     every request carries the notification's id: ``Idempotency-Key``, ``Message-ID``
secrets  an address may be one (Slack): it is shown without path, query and password; passwords
         stand in environment variables
net      only what the address names; no redirect is followed, no proxy of the environment is asked
bad      ChannelError, which says whether trying again may help
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import logging
import os
import smtplib
import ssl
from abc import ABC, abstractmethod
from email.message import EmailMessage
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from millstream.connect.alert_messages import (
    alertmanager_json,
    html_text,
    plain_text,
    slack_json,
    subject,
)
from millstream.errors import OptionError, Retry, UnknownName
from millstream.events import about

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millstream.connect.alert_values import Notification

LOG = logging.getLogger("millstream.alerts")
TIMEOUT_S = 10.0
ANSWER_BYTES_SHOWN = 200
TRY_AGAIN = (408, 425, 429)
KINDS = ("webhook", "slack", "email", "log")
_EMAIL_OPTIONS = ("smtp", "from", "tls", "user", "password-env")
_TLS = ("starttls", "tls", "none")


class ChannelError(Exception):
    """A notification that was not taken; ``retry``: whether it may be, later."""

    def __init__(self, reason: str, retry: Retry = Retry.LATER) -> None:
        super().__init__(reason)
        self.retry = retry


class Channel(ABC):
    """Somebody to tell."""

    name: str
    """What it is known by, also over restarts; holds no secret. Two of one name are one."""

    @abstractmethod
    def send(self, notification: Notification) -> None:
        """Tell it; returns when it is taken. Raises ChannelError."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class LogChannel(Channel):
    """A line of the log per alert; as JSON (``--log-format json``) with all that is known of it."""

    name = "log"

    def send(self, notification: Notification) -> None:
        for alert in notification.alerts:
            labels = " ".join(f"{name}={value}" for name, value in alert.labels.items())
            LOG.warning(
                "alert %s %s (%s): %s",
                alert.alert + (f" {labels}" if labels else ""),
                alert.state,
                alert.severity,
                alert.summary,
                extra=about(
                    "alert", id=notification.id, alert=alert.alert, state=alert.state,
                    severity=alert.severity, labels=dict(alert.labels), summary=alert.summary,
                    job=notification.job, repeats=notification.repeats,
                    details=dict(alert.details),
                ),
            )  # fmt: skip


class HttpChannel(Channel):
    """POSTs a JSON body to one address."""

    def __init__(self, kind: str, url: str) -> None:
        found = urlsplit(url)
        if found.scheme not in ("http", "https") or not found.hostname:
            raise OptionError(
                f"'{kind}:' needs the address of a service: {kind}:https://host/path.",
                hint="It begins with http:// or https://.",
            )
        self._kind = kind
        self._tls = found.scheme == "https"
        self._host = found.hostname
        self._port = _port(found.port, kind) or (443 if self._tls else 80)
        self._target = (found.path or "/") + (f"?{found.query}" if found.query else "")
        self._headers = {"Content-Type": "application/json", "User-Agent": "millstream"}
        if found.username is not None:
            pair = f"{unquote(found.username)}:{unquote(found.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        self._bearer_env = _bearer(found.fragment, kind)
        port = "" if found.port is None else f":{found.port}"
        hidden = f"/…{_short(url)}" if len(self._target) > 1 else ""
        self.name = f"{kind}:{found.scheme}://{self._host}{port}{hidden}"

    def send(self, notification: Notification) -> None:
        made = slack_json if self._kind == "slack" else alertmanager_json
        body = json.dumps(made(notification), ensure_ascii=False, default=str).encode()
        headers = {**self._headers, "Idempotency-Key": notification.id}
        if self._bearer_env is not None:
            headers["Authorization"] = f"Bearer {_secret(self._bearer_env)}"
        try:
            status, reason, answer = self._post(body, headers)
        except (OSError, http.client.HTTPException) as error:
            raise ChannelError(_reason(error)) from error
        if 200 <= status < 300:
            return
        shown = " ".join(answer[:ANSWER_BYTES_SHOWN].decode(errors="replace").split())
        later = status in TRY_AGAIN or status >= 500
        raise ChannelError(
            f"the service answered {status} {reason}".rstrip() + (f": {shown}" if shown else ""),
            Retry.LATER if later else Retry.NEVER,
        )

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
        connection: http.client.HTTPConnection
        if self._tls:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=TIMEOUT_S, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request("POST", self._target, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.reason or "", answer.read(ANSWER_BYTES_SHOWN)
        finally:
            connection.close()


class EmailChannel(Channel):
    """One mail per notification, over SMTP."""

    def __init__(self, text: str) -> None:
        to, _, query = text.partition("?")
        self._to = tuple(unquote(part).strip() for part in to.split(",") if part.strip())
        given = dict(parse_qsl(query, keep_blank_values=True))
        for name in given:
            if name not in _EMAIL_OPTIONS:
                raise UnknownName("option of e-mail", name, available=_EMAIL_OPTIONS)
        smtp = given.get("smtp", "")
        if not self._to or not smtp or any("@" not in one for one in self._to):
            raise OptionError(
                "'email:' needs receivers and a server.",
                hint="email:ops@example.com?smtp=mail.example.com:587&from=me@example.com",
            )
        found = urlsplit(f"//{smtp}")
        port = _port(found.port, "email") or 25
        self._host, self._port = found.hostname or "", port
        self._from = given.get("from", self._to[0])
        local = _is_local(self._host)
        tls = given.get("tls", "tls" if port == 465 else "none" if local else "starttls")
        if tls not in _TLS:
            raise UnknownName("value of 'tls'", tls, available=_TLS)
        self._user, self._password_env = given.get("user"), given.get("password-env")
        if (self._user is None) != (self._password_env is None):
            raise OptionError(
                "'user' and 'password-env' of an e-mail address belong together.",
                hint="password-env names the environment variable that holds the password.",
            )
        if self._user is not None and tls == "none" and not local:
            raise OptionError(
                "A password is not sent to another machine without TLS.",
                hint="Leave 'tls=none' out: starttls is used then, or tls on port 465.",
            )
        self._tls = tls
        self.name = f"email:{','.join(self._to)} via {self._host}:{self._port}"

    def send(self, notification: Notification) -> None:
        message = EmailMessage()
        message["Subject"] = subject(notification)
        message["From"] = self._from
        message["To"] = ", ".join(self._to)
        domain = self._from.rpartition("@")[2].strip("<> ") or "millstream"
        message["Message-ID"] = f"<{notification.id}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(plain_text(notification))
        message.add_alternative(html_text(notification), subtype="html")
        try:
            with self._connected() as server:
                if self._user is not None and self._password_env is not None:
                    server.login(self._user, _secret(self._password_env))
                server.send_message(message, self._from, list(self._to))
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            said = "; ".join(_said(code, text) for code, text in error.recipients.values())
            raise ChannelError(f"no receiver was taken: {said}", _retry_of(codes)) from None
        except smtplib.SMTPAuthenticationError as error:
            # The answer may repeat what was sent.
            raise ChannelError(f"the server refused '{self._user}' ({error.smtp_code})") from None
        except smtplib.SMTPResponseException as error:
            said = _said(error.smtp_code, error.smtp_error)
            raise ChannelError(said, _retry_of([error.smtp_code])) from None
        except (OSError, smtplib.SMTPException) as error:
            raise ChannelError(_reason(error)) from error

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._tls == "tls":
            return smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT_S, context=context)
        server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_S)
        if self._tls == "starttls":
            try:
                server.starttls(context=context)
            except BaseException:
                server.close()
                raise
        return server


def channel_of(said: str | Channel) -> Channel:
    """Return the channel of an address; raises OptionError for what is none."""
    if isinstance(said, Channel):
        return said
    kind, colon, rest = said.partition(":")
    match kind.strip().lower():
        case "log" if not rest.strip():
            return LogChannel()
        case "webhook" | "slack" as one if colon:
            return HttpChannel(one, rest.strip())
        case "email" | "mailto" if colon:
            return EmailChannel(rest.strip())
    raise UnknownName("channel", kind, available=KINDS)


def channels_of(said: Sequence[str | Channel]) -> list[Channel]:
    """Return the channels of addresses, each once."""
    made = [channel_of(one) for one in said]
    return list({channel.name: channel for channel in made}.values())


def _short(secret: str) -> str:
    """Return what tells two addresses apart without showing them."""
    return hashlib.blake2b(secret.encode(), digest_size=2).hexdigest()


def _bearer(fragment: str, kind: str) -> str | None:
    if not fragment:
        return None
    name, _, value = fragment.partition("=")
    if name != "bearer-env" or not value:
        raise UnknownName(f"option behind '#' of {kind}", name, available=("bearer-env",))
    return value


def _secret(variable: str) -> str:
    value = os.environ.get(variable)
    if value is None:
        raise ChannelError(f"the environment variable {variable} is not set")
    return value


def _port(port: int | None, kind: str) -> int | None:
    if port == 0:
        raise OptionError(f"The address of '{kind}:' has no port 0.")
    return port


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _said(code: int, text: Any) -> str:
    shown = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    return f"the server answered {code} {' '.join(shown.split())[:ANSWER_BYTES_SHOWN]}".rstrip()


def _retry_of(codes: Sequence[int]) -> Retry:
    return Retry.NEVER if codes and all(code >= 500 for code in codes) else Retry.LATER
