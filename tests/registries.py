"""Registries that are not as they must be, over HTTP: the real ones in the edge tests are."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

from headrace.avro.contract import Catalogue

LOGIN = "ann:top secret"
API = "/apis/ccompat/v7"


def as_registries_write(schema: Any) -> Any:
    """A record's name without its namespace, which stands beside it, as Java writes schemas; other documentation."""
    if isinstance(schema, list):
        return [as_registries_write(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    written = {key: as_registries_write(value) for key, value in schema.items()}
    if "." in written.get("name", ""):
        written["namespace"], _, written["name"] = written["name"].rpartition(".")
        written["doc"] = "told otherwise"
    return written


class Stub(ThreadingHTTPServer):
    """Has all schemas of a catalogue, from id 1 on; each field can be made wrong by a test."""

    daemon_threads = True

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.schemas = {number: contract.schema for number, contract in enumerate(catalogue.contracts, 1)}
        self.gives = {number: as_registries_write(schema) for number, schema in self.schemas.items()}
        self.status = 200
        self.page = ""
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        login = LOGIN.replace(" ", "%20")
        return f"http://{login}@127.0.0.1:{self.server_port}{API}"

    def answer(self, path: str, body: Any, login: str) -> tuple[int, Any]:
        self.asked.append(path)
        if self.status != 200:
            return self.status, {"error_code": self.status, "message": "not now"}
        if login != f"Basic {base64.b64encode(LOGIN.encode()).decode()}":
            return 401, {"error_code": 401, "message": f"who is {login}?"}
        if path.startswith("/schemas/ids/"):
            number = int(path.rpartition("/")[2])
            if number not in self.gives:
                return 404, {"error_code": 40403, "message": "none"}
            return 200, {"schema": json.dumps(self.gives[number])}
        for number, schema in self.schemas.items():
            if schema == json.loads(body["schema"]):
                return 200, {"subject": unquote(path), "id": number, "version": 1, "schema": body["schema"]}
        return 404, {"error_code": 40403 if "Ship" in path else 40401, "message": "none"}


class _Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, body: Any) -> None:
        path = urlsplit(self.path).path.removeprefix(API)
        status, said = self.server.answer(path, body, self.headers.get("Authorization", ""))
        text = (self.server.page or json.dumps(said)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@contextmanager
def stubbed(catalogue: Catalogue) -> Iterator[Stub]:
    with Stub(catalogue) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
