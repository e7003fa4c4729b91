"""An S3 server on loopback (moto, in this process), and a proxy before it that makes faults."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from millstream.ports.options import Secret
from millstream.settings import Settings


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the proxy sees it."""

    method: str
    path: str
    number: int


Fault = Callable[[Request], "int | str | float | None"]
"""None: passed on; a status: answered with it; seconds: passed on after them; ``lost``: passed on,
but the reply never comes; ``cut``: half of the request is passed on, then the line is closed."""


@dataclass
class S3Server:
    """Where it is, and the fault that is on."""

    direct: str
    through: str
    fault: Fault | None = None
    requests: list[Request] = field(default_factory=list)

    def settings(self, *, faults: bool = False) -> Settings:
        """Return the settings that reach it."""
        return Settings(
            s3_endpoint=self.through if faults else self.direct,
            s3_region="us-east-1",
            s3_access_key=Secret("testing"),
            s3_secret_key=Secret("testing"),
        )

    def bucket(self) -> str:
        """Make a bucket and return its address."""
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        where = urlsplit(self.direct)
        line = http.client.HTTPConnection(str(where.hostname), where.port, timeout=30)
        line.request("PUT", f"/{name}")
        assert line.getresponse().status == 200, "the server makes no bucket"
        line.close()
        return f"s3://{name}"


@contextlib.contextmanager
def running() -> Iterator[S3Server]:
    """Run the server and its proxy."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    found = S3Server(f"http://{host}:{port}", "")
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(found))
    proxy.daemon_threads = True
    found.through = f"http://127.0.0.1:{proxy.server_port}"
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
        server.stop()


def _handler(server: S3Server) -> type[http.server.BaseHTTPRequestHandler]:
    where = urlsplit(server.direct)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            request = Request(self.command, self.path, len(server.requests))
            server.requests.append(request)
            said = None if server.fault is None else server.fault(request)
            if isinstance(said, int):
                self.answer(said, [], b"")
                return
            if isinstance(said, float):
                time.sleep(said)
            if said == "cut":
                self.pass_on(body, cut=True)
            else:
                status, headers, data = self.pass_on(body)
            if said in ("lost", "cut"):
                self.close_connection = True
                self.connection.close()
                return
            self.answer(status, headers, data)

        def pass_on(self, body: bytes, *, cut: bool = False):
            line = http.client.HTTPConnection(str(where.hostname), where.port, timeout=30)
            try:
                line.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    line.putheader(name, value)
                line.endheaders(body[: len(body) // 2] if cut else body)
                if cut:
                    return 0, [], b""
                answer = line.getresponse()
                return answer.status, answer.getheaders(), answer.read()
            finally:
                line.close()

        def answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
            self.send_response_only(status)
            length = None
            for name, value in headers:
                if name.lower() == "content-length":
                    length = value
                elif name.lower() not in ("connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("content-length", length or str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    return Handler
