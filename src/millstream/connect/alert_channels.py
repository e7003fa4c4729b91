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
net      only what the address names; no redirect is followed, no proxy of the environment is asked.
         A receiver that trickles its answer is cut off after ``SEND_S_MAX``
bad      ChannelError, which says what to mend and whether trying again may help
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import logging
import os
import smtplib
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parsedate_to_datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from millstream.connect.alert_messages import (
    alertmanager_json,
    html_text,
    one_line,
    plain_text,
    slack_json,
    subject,
)
from millstream.errors import OptionError, Retry, UnknownName
from millstream.events import about

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from urllib.parse import SplitResult

    from millstream.connect.alert_values import Notification

LOG = logging.getLogger("millstream.alerts")
TIMEOUT_S = 10.0
"""So long a receiver may be silent."""
SEND_S_MAX = 60.0
"""So long it may take one notification."""
ANSWER_BYTES_SHOWN = 200
TRY_AGAIN = (408, 425, 429)
KINDS = ("webhook", "slack", "email", "log")
_EMAIL_OPTIONS = ("smtp", "from", "tls", "user", "password-env")
_TLS = ("starttls", "tls", "none")


class ChannelError(Exception):
    """A notification that was not taken; ``retry``: whether it may be, later.

    ``wait_s``: the receiver asks not to be tried before.
    """

    def __init__(self, reason: str, retry: Retry = Retry.LATER, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry = retry
        self.wait_s = wait_s


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
                one_line(alert.alert + (f" {labels}" if labels else "")),
                alert.state,
                alert.severity,
                one_line(alert.summary),
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
        found = _split(url, kind)
        if found.scheme not in ("http", "https") or not found.hostname:
            raise OptionError(
                f"'{kind}:' needs the address of a service: {kind}:https://host/path.",
                hint="It begins with http:// or https://.",
            )
        self._kind = kind
        self._tls = found.scheme == "https"
        self._host = found.hostname
        self._port = found.port or (443 if self._tls else 80)
        target = (found.path or "/") + (f"?{found.query}" if found.query else "")
        self._target = quote(target, safe="/?%:@!$&'()*+,;=-._~[]")
        self._headers = {"Content-Type": "application/json", "User-Agent": "millstream"}
        if found.username is not None:
            pair = f"{unquote(found.username)}:{unquote(found.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        self._bearer_env = _bearer(found.fragment, kind)
        port = "" if found.port is None else f":{found.port}"
        own = (target, found.username, found.fragment)
        hidden = f"/…{_short(own)}" if own != ("/", None, "") else ""
        self.name = f"{kind}:{found.scheme}://{self._host}{port}{hidden}"

    def send(self, notification: Notification) -> None:
        made = slack_json if self._kind == "slack" else alertmanager_json
        body = json.dumps(made(notification), ensure_ascii=False, default=str).encode()
        headers = {**self._headers, "Idempotency-Key": notification.id}
        if self._bearer_env is not None:
            headers["Authorization"] = f"Bearer {_secret(self._bearer_env)}"
        try:
            status, wait_s, said = self._post(body, headers)
        except (OSError, http.client.HTTPException) as error:
            raise ChannelError(_reason(error, self._host)) from error
        if 200 <= status < 300:
            return
        for secret in headers.get("Authorization", "").split()[1:]:
            said = said.replace(secret, "***")  # some services show what they were sent
        if 300 <= status < 400:
            said += "; redirects are not followed: give the address it leads to"
        later = status in TRY_AGAIN or status >= 500
        raise ChannelError(
            f"the service answered {status} {said}".rstrip(),
            Retry.LATER if later else Retry.NEVER,
            wait_s,
        )

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, float, str]:
        """Return the status, how long it asks to be left alone, and what it says."""
        connection: http.client.HTTPConnection
        if self._tls:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=TIMEOUT_S, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            connection.connect()
            with _cut_off(connection.sock):
                connection.request("POST", self._target, body=body, headers=headers)
                answer = connection.getresponse()
                if 200 <= answer.status < 300:
                    return answer.status, 0.0, ""  # what it says beside is not waited for
                said = answer.read(ANSWER_BYTES_SHOWN).decode(errors="replace")
        shown = " ".join(said.split())
        reason = answer.reason + (f": {shown}" if shown else "")
        return answer.status, _seconds(answer.headers.get("Retry-After")), reason


class EmailChannel(Channel):
    """One mail per notification, over SMTP."""

    def __init__(self, text: str) -> None:
        to, _, query = text.partition("?")
        self._to = tuple(unquote(part).strip() for part in to.split(",") if part.strip())
        # A + is one: addresses and users have it.
        given = dict(parse_qsl(query.replace("+", "%2B"), keep_blank_values=True))
        for name in given:
            if name not in _EMAIL_OPTIONS:
                raise UnknownName("option of e-mail", name, available=_EMAIL_OPTIONS)
        found = _split(f"//{given.get('smtp', '')}", "email")
        if not self._to or not found.hostname or any("@" not in one for one in self._to):
            raise OptionError(
                "'email:' needs receivers and a server.",
                hint="email:ops@example.com?smtp=mail.example.com:587&from=me@example.com",
            )
        self._host, self._port = found.hostname, found.port or 25
        self._from = given.get("from", self._to[0])
        if not all(one.isprintable() for one in (*self._to, self._from)):
            raise OptionError("An address of 'email:' has a character that cannot be printed.")
        local = _is_local(self._host)
        tls = given.get("tls", "tls" if self._port == 465 else "none" if local else "starttls")
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
        message = self._message(notification)
        try:
            server = self._connected()
            try:
                with _cut_off(server.sock):
                    self._login(server)
                    refused = server.send_message(message, self._from, list(self._to))
                    # It is taken: whatever becomes of the goodbye, it must not be sent again.
                    with contextlib.suppress(OSError, smtplib.SMTPException):
                        server.quit()
            finally:
                server.close()
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            said = "; ".join(_said(code, text) for code, text in error.recipients.values())
            raise ChannelError(f"no receiver was taken: {said}", _retry_of(codes)) from None
        except smtplib.SMTPResponseException as error:
            said = _said(error.smtp_code, error.smtp_error)
            raise ChannelError(said, _retry_of([error.smtp_code])) from None
        except (OSError, smtplib.SMTPException) as error:
            raise ChannelError(_reason(error, self._host)) from error
        for one, (code, text) in refused.items():
            # The others have it: to try again would be to tell them twice.
            LOG.warning("An alert was not taken for %s: %s", one, _said(code, text))

    def _message(self, notification: Notification) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = subject(notification)
        message["From"] = self._from
        message["To"] = ", ".join(self._to)
        message["Date"] = format_datetime(datetime.now(UTC))
        domain = self._from.rpartition("@")[2].strip("<> ") or "millstream"
        message["Message-ID"] = f"<{notification.id}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(plain_text(notification))
        message.add_alternative(html_text(notification), subtype="html")
        return message

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._tls == "tls":
            return smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT_S, context=context)
        server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_S)
        if self._tls == "starttls":
            try:
                with _cut_off(server.sock):
                    server.starttls(context=context)
            except smtplib.SMTPNotSupportedError:
                server.close()
                raise ChannelError(
                    "the server offers no STARTTLS: give tls=tls for a port that speaks TLS from "
                    "the first byte (465), or tls=none for a server on this machine"
                ) from None
            except BaseException:
                server.close()
                raise
        return server

    def _login(self, server: smtplib.SMTP) -> None:
        if self._user is None or self._password_env is None:
            return
        password = _secret(self._password_env)
        try:
            server.login(self._user, password)
        except smtplib.SMTPAuthenticationError as error:
            # The answer may repeat what was sent.
            raise ChannelError(
                f"the server refused the user '{self._user}' ({error.smtp_code}): look at 'user', "
                f"and at what the environment variable {self._password_env} holds"
            ) from None
        except UnicodeEncodeError:
            raise ChannelError(
                f"'user' and the password in the environment variable {self._password_env} must be "
                "ASCII: a login by mail takes no other characters"
            ) from None
        except (smtplib.SMTPNotSupportedError, smtplib.SMTPResponseException) as error:
            code = f" ({error.smtp_code})" if hasattr(error, "smtp_code") else ""
            raise ChannelError(
                f"the server takes no login here{code}: leave 'user' out, or give tls=starttls or "
                "tls=tls, as many servers take a login only behind TLS"
            ) from None


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


def _short(secret: object) -> str:
    """Return what tells two addresses apart without showing them."""
    return hashlib.blake2b(repr(secret).encode(), digest_size=4).hexdigest()


def _split(url: str, kind: str) -> SplitResult:
    if not url.isprintable() or " " in url:
        raise OptionError(f"The address of '{kind}:' has a character that no address has.")
    try:
        found = urlsplit(url)
        port = found.port
    except ValueError as error:
        raise OptionError(f"The address of '{kind}:' is none: {error}.") from None
    if port == 0:
        raise OptionError(f"The address of '{kind}:' has no port 0.")
    return found


@contextlib.contextmanager
def _cut_off(sock: socket.socket | None) -> Iterator[None]:
    """End a connection that goes on for too long, whatever still trickles in."""
    assert sock is not None, "it is connected"
    timer = threading.Timer(SEND_S_MAX, _shut, (sock,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Of the plain socket: TLS's own would take the session from under the thread that reads.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _seconds(said: str | None) -> float:
    """Return how long a header ``Retry-After`` asks to wait: seconds, or until an instant."""
    if not said:
        return 0.0
    try:
        return float(said) if said.strip().isdigit() else _until(said)
    except ValueError:
        return 0.0


def _until(said: str) -> float:
    then = parsedate_to_datetime(said)
    return max(0.0, (then - datetime.now(then.tzinfo)).total_seconds())


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
    value = value.strip()  # one read from a file ends with a line end
    if not value.isprintable():
        raise ChannelError(f"the environment variable {variable} holds more than one line")
    return value


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _reason(error: Exception, host: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.rstrip(".")
        return (
            f"the certificate of {host} is not trusted ({why}): give the host's name as the "
            "certificate says it, and a CA of your own in the environment variable SSL_CERT_FILE"
        )
    if isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
        return f"{host} speaks no TLS on this port: give another port, or an address without TLS"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _said(code: int, text: Any) -> str:
    shown = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    return f"the server answered {code} {' '.join(shown.split())[:ANSWER_BYTES_SHOWN]}".rstrip()


def _retry_of(codes: Sequence[int]) -> Retry:
    return Retry.NEVER if codes and all(code >= 500 for code in codes) else Retry.LATER
