"""The port on which a service is looked at: /metrics, /healthz, /readyz, /startupz."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from threading import Thread
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from prometheus_client import MetricsHandler
from structlog import get_logger

from headrace.kernel.errors import Misconfigured
from headrace.observe.health import Health
from headrace.observe.metrics import REGISTRY
from headrace.settings import Settings

SLOWEST_CLIENT_S: Final = 10.0

log = get_logger("headrace.observe")


class Door(MetricsHandler):
    """Answers one request."""

    registry = REGISTRY
    timeout = SLOWEST_CLIENT_S
    server: "DoorServer"

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        """Metrics as text, a probe as 200 or 503 with the reason."""
        path = urlsplit(self.path).path
        if path == "/metrics":
            super().do_GET()
            return
        probe = self.server.probes.get(path)
        if probe is None:
            self._answer(HTTPStatus.NOT_FOUND, {"why": f"try /metrics, {', '.join(self.server.probes)}"})
            return
        found = probe()
        self._answer(HTTPStatus.OK if found.ok else HTTPStatus.SERVICE_UNAVAILABLE, found)

    def _answer(self, status: HTTPStatus, body: Any) -> None:
        text = msgspec.json.encode(body) + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class DoorServer(ThreadingHTTPServer):
    """Answers requests in threads of their own: a client that hangs holds up neither the loop nor another client."""

    def __init__(self, address: tuple[str, int], health: Health) -> None:
        self.probes = {"/healthz": health.alive, "/readyz": health.is_ready, "/startupz": health.started}
        super().__init__(address, Door)

    def handle_error(self, _request: Any, client_address: Any) -> None:
        """A client that hangs up is no traceback."""
        log.warning("request not answered", client=str(client_address[0]))


def served(settings: Settings, health: Health) -> AbstractContextManager[None]:
    """Answer on METRICS_PORT within the `with`; nothing when it is 0. `Misconfigured` when it cannot be had."""
    return _served(settings, health) if settings.metrics_port else nullcontext()


@contextmanager
def _served(settings: Settings, health: Health) -> Iterator[None]:
    try:
        server = DoorServer((settings.metrics_host, settings.metrics_port), health)
    except OSError as error:
        raise Misconfigured(
            f"METRICS_PORT={settings.metrics_port} on {settings.metrics_host} cannot be had ({error.strerror}): choose "
            f"another, or 0 for none"
        ) from error
    with server:
        Thread(target=server.serve_forever, name="metrics", daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
