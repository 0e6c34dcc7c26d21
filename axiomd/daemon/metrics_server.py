"""/metrics and /healthz for machines, in a thread of their own, so that they answer while the event loop hangs.

It decides nothing and reads only what is handed to it. One request at a time, each with a deadline: a scraper that
stalls delays the next scraper and nobody else, and the daemon's end by no more than that deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import SHUT_RDWR, SO_REUSEADDR, SOL_SOCKET, socket
from threading import Thread, Timer
from typing import Any, Final

from axiomd.contracts.errors import ConfigError
from axiomd.daemon.health import Health

REQUEST_S_MAX: Final = 2.0
BACKLOG_MAX: Final = 16
_POLL_S: Final = 0.2
_TEXT: Final = "text/plain; charset=utf-8"
_EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"


class MetricsServer:
    """Serve what `render` gives (the exposition format) and what `health` says; both are called from its thread."""

    def __init__(self, host: str, port: int, *, render: Callable[[], bytes], health: Callable[[], Health]) -> None:
        self._host = host
        self._port = port
        self._render = render
        self._health = health
        self._server: HTTPServer | None = None
        self._thread: Thread | None = None

    def start(self) -> tuple[str, int]:
        """Listen and give the (host, port) that were bound; port 0 is any free one. `ConfigError` else."""
        try:
            server = _Server((self._host, self._port), _handler(self._render, self._health))
        except (OSError, OverflowError) as problem:
            reason = getattr(problem, "strerror", None) or str(problem)
            raise ConfigError(
                f"the metrics server cannot listen: {reason}",
                f"metrics {self._host}:{self._port}",
                "set metrics.port to a free one, or to 0 for any",
            ) from problem
        self._server = server
        self._thread = Thread(target=server.serve_forever, args=(_POLL_S,), name="axiomd-metrics", daemon=True)
        self._thread.start()
        host, port = server.server_address[:2]
        return str(host), int(port)

    def stop(self) -> None:
        """Stop listening; a request under way is finished or times out."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join(REQUEST_S_MAX + 1)
            self._server.server_close()
            self._server = self._thread = None


class _Server(HTTPServer):
    request_queue_size = BACKLOG_MAX

    def server_bind(self) -> None:
        """Bind without the look-up of our own name that HTTPServer does, which may wait for a resolver."""
        self.socket.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer a request as a whole within the bound: each of a thousand bytes would be in time for itself."""
        deadline = Timer(REQUEST_S_MAX, _cut, (request,))
        deadline.daemon = True
        deadline.start()
        try:
            super().finish_request(request, client_address)
        finally:
            deadline.cancel()

    def handle_error(self, request: object, client_address: object) -> None:
        """Leave a broken-off request alone: the scraper comes again."""


def _cut(request: socket) -> None:
    with suppress(OSError):  # it went in the same moment
        request.shutdown(SHUT_RDWR)


def _handler(render: Callable[[], bytes], health: Callable[[], Health]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_S_MAX
        server_version = "axiomd"
        sys_version = ""

        def do_GET(self) -> None:
            """Answer a GET."""
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, _EXPOSITION, render())
            elif path == "/healthz":
                judged = health()
                self._answer(200 if judged.is_healthy else 503, _TEXT, judged.status.encode() + b"\n")
            else:
                self._answer(404, _TEXT, b"/metrics or /healthz\n")

        def do_HEAD(self) -> None:
            """Answer a HEAD: a GET without its body."""
            self.do_GET()

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the standard library's name)
            """Say nothing: requests are no events."""

    return Handler
