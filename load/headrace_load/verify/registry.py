"""The verifier's own look into a schema registry: which locked schema an id means that the lock file has not."""

import base64
import json
import os
import time
import urllib.error
import urllib.request
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from fastavro import parse_schema

from headrace_load.verify.report import CannotVerify

VARIABLE: Final = "SCHEMA_REGISTRY_URL"
TIMEOUT_S: Final = 10.0
PATIENCE_S: Final = 30.0
PAUSE_S: Final = 0.5
NOT_FOUND: Final = 404


class Lookup:
    """Asks the registry of SCHEMA_REGISTRY_URL; without one no further id means anything."""

    def __init__(self, entries: list[dict[str, Any]], url: str | None = None) -> None:
        self._url = os.environ.get(VARIABLE, "") if url is None else url
        self._entries = entries
        self._locked: dict[str, int] = {}
        self._known: dict[int, int | None] = {}

    def locked(self, number: int) -> int | None:
        """The lock file's id of the schema that the registry has under an id; `CannotVerify` if it does not answer."""
        if not self._url:
            return None
        if number not in self._known:
            schema = self._ask(number)
            self._locked = self._locked or {meaning(entry["schema"]): entry["id"] for entry in self._entries}
            self._known[number] = None if schema is None else self._locked.get(meaning(schema))
        return self._known[number]

    def _ask(self, number: int) -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                with urllib.request.urlopen(_request(self._url, number), timeout=TIMEOUT_S) as answer:  # noqa: S310
                    return json.loads(json.load(answer)["schema"])
            except urllib.error.HTTPError as error:
                if error.code == NOT_FOUND:
                    return None
                why = f"HTTP {error.code}"
            except (OSError, ValueError, LookupError) as error:
                why = type(error).__name__
            if time.monotonic() > deadline:
                raise CannotVerify(
                    f"the schema registry at {_shown(self._url)} does not tell schema {number} ({why}): is it up, "
                    f"is {VARIABLE} right?"
                )
            time.sleep(PAUSE_S)


def meaning(schema: Any) -> str:
    """A schema as text in which names are whole and documentation is left out."""
    return json.dumps(_bare(parse_schema(json.loads(json.dumps(schema)))), sort_keys=True)


def _bare(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_bare(branch) for branch in schema]
    if isinstance(schema, dict):
        return {key: _bare(value) for key, value in schema.items() if key != "doc" and not key.startswith("__")}
    return schema


def _request(url: str, number: int) -> urllib.request.Request:
    parts = urlsplit(url.split(",", maxsplit=1)[0].strip())
    request = urllib.request.Request(f"{_shown(url)}/schemas/ids/{number}")  # noqa: S310 - what the operator has set
    if parts.username:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
    return request


def _shown(url: str) -> str:
    """The first address, without name and password."""
    parts = urlsplit(url.split(",", maxsplit=1)[0].strip())
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
