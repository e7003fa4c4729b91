"""E-mail against real SMTP servers: STARTTLS, TLS, login, and servers that refuse or misbehave."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from millstream.connect import alert_channels
from millstream.connect.alert_channels import ChannelError, channel_of
from millstream.connect.alert_values import Alerted, Notification
from millstream.errors import OptionError, Retry
from tests.servers import certificates

PASSWORD = "hush-hush"
HOT = Alerted(
    alert="hot", fingerprint="f", labels={"host": "<a>"}, state="firing", severity="critical",
    summary="it\r\nBcc: all@example.com\n\x00burns", details={"busy": "9" * 5_000}, since_ms=1_000,
    number=1, fired_at_ms=2_000,
)  # fmt: skip
TOLD = Notification(id="n1", receiver="r", alert="hot", alerts=(HOT,), job="j")


class Mailbox:
    """Notes what comes; refuses receivers that begin with ``no``."""

    def __init__(self) -> None:
        self.got: list[tuple[bool, list[str], EmailMessage]] = []
        """(behind TLS, receivers, the mail)"""

    async def handle_RCPT(  # noqa: N802 (as the server calls it)
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address.startswith("no"):
            return "550 No such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        mail: Any = message_from_bytes(envelope.content, policy=policy.default)
        self.got.append((session.ssl is not None, envelope.rcpt_tos, mail))
        return "250 OK"


def knows(_server: Any, _session: Any, _envelope: Any, _how: str, said: Any) -> AuthResult:
    right = LoginPassword(b"me+x@example.com", PASSWORD.encode())
    return AuthResult(success=said == right, handled=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of this machine, signed by itself, and its key."""
    return certificates.certificate(tmp_path_factory.mktemp("tls"))


Serve = Callable[..., tuple[int, Mailbox]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts mail servers of this test's own."""
    started: list[Controller] = []

    def start(**said: Any) -> tuple[int, Mailbox]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        box = Mailbox()
        made = Controller(box, hostname="127.0.0.1", port=port, **said)
        made.start()
        started.append(made)
        return port, box

    yield start
    for one in started:
        one.stop()


def context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(*certificate)
    return made


def refused(address: str) -> ChannelError:
    with pytest.raises(ChannelError) as failed:
        channel_of(address).send(TOLD)
    assert PASSWORD not in str(failed.value)
    return failed.value


def test_starttls_and_a_login(
    serve: Serve, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Port 587 of every provider: encrypted before the password is said."""
    port, box = serve(
        tls_context=context(certificate), require_starttls=True,
        authenticator=knows, auth_required=True, auth_require_tls=True,
    )  # fmt: skip
    address = (
        f"email:ops@example.com?smtp=127.0.0.1:{port}&tls=starttls&user=me+x@example.com"
        "&password-env=ALERT_MAIL&from=me+x@example.com"
    )
    monkeypatch.setenv("ALERT_MAIL", f"{PASSWORD}\n")
    error = refused(address)
    assert "not trusted" in str(error)
    assert "SSL_CERT_FILE" in str(error)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    channel_of(address).send(TOLD)
    ((encrypted, to, mail),) = box.got
    assert (encrypted, to, mail["From"]) == (True, ["ops@example.com"], "me+x@example.com")
    assert mail["Message-ID"] == "<n1@example.com>"
    assert parsedate_to_datetime(mail["Date"])
    monkeypatch.setenv("ALERT_MAIL", "wrong")
    error = refused(address)
    assert "refused the user 'me+x@example.com' (535)" in str(error)
    assert "ALERT_MAIL" in str(error)
    assert error.retry is Retry.LATER  # somebody may mend it within the day
    monkeypatch.setenv("ALERT_MAIL", "schlüssel")
    assert "must be ASCII" in str(refused(address))
    monkeypatch.delenv("ALERT_MAIL")
    assert "ALERT_MAIL is not set" in str(refused(address))
    # No mail goes without the login, and none without TLS.
    assert "530" in str(refused(f"email:a@x?smtp=127.0.0.1:{port}&tls=starttls"))
    assert "530" in str(refused(f"email:a@x?smtp=127.0.0.1:{port}&tls=none"))
    assert len(box.got) == 1


def test_tls_from_the_first_byte(
    serve: Serve, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Port 465; what is mixed up with STARTTLS is told."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    port, box = serve(ssl_context=context(certificate))
    plain, _ = serve()
    channel_of(f"email:ops@example.com?smtp=127.0.0.1:{port}&tls=tls").send(TOLD)
    assert len(box.got) == 1
    # Its certificate is for the address alone.
    error = str(refused(f"email:ops@example.com?smtp=localhost:{port}&tls=tls"))
    assert "not valid for 'localhost'" in error
    assert "speaks no TLS" in str(refused(f"email:a@x?smtp=127.0.0.1:{plain}&tls=tls"))


def test_a_server_without_what_was_asked_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent in the clear because a server cannot do better."""
    monkeypatch.setenv("ALERT_MAIL", PASSWORD)
    port, box = serve()
    error = str(refused(f"email:a@x?smtp=127.0.0.1:{port}&tls=starttls"))
    assert "offers no STARTTLS" in error
    assert "tls=tls" in error
    error = str(refused(f"email:a@x?smtp=127.0.0.1:{port}&user=me&password-env=ALERT_MAIL"))
    assert "takes no login" in error
    assert not box.got


def test_values_make_no_headers(serve: Serve) -> None:
    """A row whose text holds line ends must not add receivers, nor fill a mailbox."""
    port, box = serve()
    channel_of(f"email:ops@example.com?smtp=127.0.0.1:{port}").send(TOLD)
    ((_, _, mail),) = box.got
    assert mail["Bcc"] is None
    assert mail["Subject"] == "[FIRING:1] hot: it Bcc: all@example.com burns"
    body = mail.get_body(("plain",))
    assert body is not None
    assert len(body.get_content()) < 2_000


def test_a_receiver_that_is_refused_is_told(serve: Serve, caplog: Any) -> None:
    """The others have the mail: it is not sent again, and the refusal is in the log."""
    port, box = serve()
    with caplog.at_level(logging.WARNING, "millstream.alerts"):
        channel_of(f"email:ops@example.com,nobody@example.com?smtp=127.0.0.1:{port}").send(TOLD)
    assert [to for _, to, _ in box.got] == [["ops@example.com"]]
    assert "nobody@example.com: the server answered 550 No such user" in caplog.text
    error = refused(f"email:nobody@example.com?smtp=127.0.0.1:{port}")
    assert error.retry is Retry.NEVER


def scripted(lines: list[bytes]) -> tuple[int, list[bytes], threading.Thread]:
    """Serve one connection: a line is answered with the next of ``lines``; none left: silence."""
    server = socket.create_server(("127.0.0.1", 0))
    got: list[bytes] = []

    def run() -> None:
        with server, server.accept()[0] as talk, talk.makefile("rwb") as file:
            for answer in lines:
                file.write(answer)
                file.flush()
                if answer.startswith(b"354"):
                    while file.readline() != b".\r\n":
                        pass
                else:
                    got.append(file.readline())
            while file.readline():  # until the other side has had enough
                pass

    thread = threading.Thread(target=run)
    thread.start()
    return int(server.getsockname()[1]), got, thread


HELLO = [b"220 x\r\n", b"250 x\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 go\r\n"]


def test_a_rude_goodbye_is_no_failure() -> None:
    """The mail is taken: sent again it would be there twice."""
    port, got, thread = scripted([*HELLO, b"250 taken\r\n", b"421 too busy\r\n"])
    channel_of(f"email:a@x?smtp=127.0.0.1:{port}").send(TOLD)
    thread.join(60)
    assert b"quit\r\n" in got


def test_a_server_that_trickles_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that says nothing, or a byte now and then, must not hold its channel up for ever."""
    monkeypatch.setattr(alert_channels, "SEND_S_MAX", 0.2)
    port, _, thread = scripted(HELLO[:3])
    refused(f"email:a@x?smtp=127.0.0.1:{port}")
    thread.join(60)
    assert not thread.is_alive()


def test_tls_that_trickles_is_cut_off(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same behind TLS, where the session is another thread's."""
    monkeypatch.setattr(alert_channels, "SEND_S_MAX", 0.2)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            plain, _ = server.accept()
            with (
                contextlib.suppress(OSError),
                context(certificate).wrap_socket(plain, server_side=True) as talk,
            ):
                while talk.recv(100):
                    pass

        thread = threading.Thread(target=run)
        thread.start()
        error = refused(f"webhook:https://127.0.0.1:{server.getsockname()[1]}/x")
        assert error.retry is Retry.LATER
        thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    "address",
    [
        "a@x?smtp=h:99999", "a@x?smtp=h:abc", "a@x?smtp=h:0", "a@x?smtp=:25",
        "a@x%0d%0aRCPT?smtp=h", "a@x?smtp=h&from=a@x%0aBcc:b@x", "a@x?smtp=[::1",
    ],
)  # fmt: skip
def test_an_address_that_is_none(address: str) -> None:
    """It is told where it is written, not in the night in which it should ring."""
    with pytest.raises(OptionError):
        channel_of(f"email:{address}")
