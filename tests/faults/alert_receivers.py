"""A webhook and a mail server in a process of their own, which outlives the pipeline's.

in      a file to note in, and the name of a file: while it is there, nobody is answered
out     one line on standard output: the ports, as JSON; one line of JSON in the file for each
        notification, written before it is answered
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

NOTES, HOLD = Path(sys.argv[1]), Path(sys.argv[2])
LOCK = threading.Lock()


def note(**said: Any) -> None:
    """Write down what came; then wait for as long as nobody is to be answered."""
    with LOCK, NOTES.open("a") as file:
        file.write(json.dumps(said) + "\n")
        file.flush()
    while HOLD.exists():
        time.sleep(0.01)


class Hook(BaseHTTPRequestHandler):
    """Takes every POST."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        note(kind="webhook", id=self.headers["Idempotency-Key"], body=body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name it has there)
        """Nothing is written to standard error."""


class Mailbox:
    """Takes every mail."""

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content)
        note(kind="email", id=mail["Message-ID"], subject=mail["Subject"], to=envelope.rcpt_tos)
        return "250 OK"


def main() -> None:
    """Serve until killed."""
    web = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]  # its controller connects to the port it was told
    mail = Controller(Mailbox(), hostname="127.0.0.1", port=port)
    mail.start()
    sys.stdout.write(json.dumps({"web": web.server_address[1], "mail": port}) + "\n")
    sys.stdout.flush()
    web.serve_forever()


if __name__ == "__main__":
    main()
