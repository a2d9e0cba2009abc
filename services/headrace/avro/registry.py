"""A schema registry, as Confluent's and Apicurio's speak it; needed only where SCHEMA_REGISTRY_URL names one.

What it was asked and did not answer is a `Silent`, which passes; what it refuses is told by name.
"""

import json
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from headrace.avro.schema import Schema
from headrace.kernel.errors import Fault, Misconfigured

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import SchemaRegistryClient

REQUEST_S: Final = 10.0
NO_SUBJECT: Final = 40401
NOT_FOUND: Final = frozenset({NO_SUBJECT, 40402, 40403})
"""No such subject, version, schema."""
COMPATIBILITY: Final = "FULL_TRANSITIVE"

T = TypeVar("T")


class Silent(Fault):
    """The registry does not answer, or says that it cannot at the moment."""


class NotThere(Fault):
    """The registry has no such subject or schema; `is_subject` says which of the two."""

    def __init__(self, message: str, *, is_subject: bool) -> None:
        super().__init__(message)
        self.is_subject = is_subject


class Refused(Fault):
    """The registry refuses a schema: it does not go together with those before it, or is none."""


class Registry:
    """One registry, asked over HTTP; nothing that it or this says holds the password in its address."""

    def __init__(self, url: str) -> None:
        self._addresses = [_address(part.strip()) for part in url.split(",")]
        self.where = ",".join(map(_without_login, self._addresses))

    def id_of(self, subject: str, schema: Schema) -> int:
        """The id of a schema under a subject; `NotThere` when it is not registered there."""
        found = self._ask(lambda: self._client.lookup_schema(subject, self._as_sent(schema)))
        return int(found.schema_id or 0)

    def schema_of(self, number: int) -> Schema:
        """The schema of an id; `NotThere` when there is none."""
        return json.loads(self._ask(lambda: self._client.get_schema(number)).schema_str or "null")

    def keep_compatible(self, subject: str) -> None:
        """Have the registry refuse, from now on, a schema that does not go together with all others of a subject."""
        self._ask(lambda: self._client.set_compatibility(subject, COMPATIBILITY))

    def register(self, subject: str, schema: Schema) -> int:
        """Register a schema under a subject; `Refused` when it does not go together with what is there."""
        return int(self._ask(lambda: self._client.register_schema(subject, self._as_sent(schema))))

    def close(self) -> None:
        """Keep no connection."""
        if "_client" in self.__dict__:  # where the library is missing there is none to close
            self._client.close()

    @cached_property
    def _client(self) -> "SchemaRegistryClient":
        try:
            from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415 - an extra, slow to import
        except ModuleNotFoundError as error:
            raise Misconfigured(
                f"SCHEMA_REGISTRY_URL is set and {error.name} is not installed: pip install 'headrace[registry]'"
            ) from error
        settings = {"url": ",".join(_without_login(part) for part in self._addresses), "timeout": REQUEST_S}
        login = self._addresses[0]
        if login.username:
            settings["basic.auth.user.info"] = f"{unquote(login.username)}:{unquote(login.password or '')}"
        return SchemaRegistryClient(settings | {"max.retries": 0})

    def _as_sent(self, schema: Schema) -> Any:
        from confluent_kafka.schema_registry import Schema as Sent  # noqa: PLC0415 - the same extra

        return Sent(json.dumps(schema), "AVRO")

    def _ask(self, call: Callable[[], T]) -> T:
        client = self._client
        from confluent_kafka.schema_registry.error import SchemaRegistryError  # noqa: PLC0415 - the same extra

        assert client is not None  # noqa: S101 - made first, since its absence has a line of its own
        try:
            return call()
        except SchemaRegistryError as error:
            raise self._judged(error) from None
        except ValueError:  # what is no JSON
            raise self._no_registry() from None
        except Exception as error:  # noqa: BLE001 - its HTTP client's errors change their names with versions
            raise Silent(
                f"the schema registry at {self.where} does not answer ({type(error).__name__}: {error})"
            ) from None

    def _judged(self, error: Any) -> Fault:
        status, code, said = error.http_status_code, error.error_code, " ".join(str(error.error_message).split())
        if status in (401, 403):
            return Misconfigured(
                f"the schema registry at {self.where} refuses this user: see to name and password in "
                f"SCHEMA_REGISTRY_URL, and to its rights"
            )
        if code in NOT_FOUND:
            return NotThere(f"the schema registry at {self.where}: {said}", is_subject=code != NO_SUBJECT)
        if status in (404, 405):
            return self._no_registry()
        if status in (409, 422):
            return Refused(said)
        return Silent(f"the schema registry at {self.where} answers {status} ({said})")

    def _no_registry(self) -> Misconfigured:
        return Misconfigured(
            f"what answers at {self.where} is no schema registry: SCHEMA_REGISTRY_URL is the address of one with the "
            f"path of its Confluent API, such as http://registry:8080/apis/ccompat/v7"
        )


def patiently(ask: Callable[[], T], seconds: float, tell: Callable[[str], None]) -> T:
    """What `ask` returns, asked again while the registry is `Silent`, with `tell` told why; raised after `seconds`."""
    import stamina  # noqa: PLC0415 - most services start without a registry, and sooner without this

    # Else each line about an attempt would be told twice, and a metric of another name would stand among ours.
    stamina.instrumentation.set_on_retry_hooks([])

    def passes(error: Exception) -> bool:
        if isinstance(error, Silent):
            tell(str(error))
        return isinstance(error, Silent)

    for attempt in stamina.retry_context(on=passes, attempts=None, timeout=seconds, wait_max=2.0, wait_jitter=0.5):
        with attempt:
            return ask()
    raise AssertionError  # the context ends by a result or by the error


def _address(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        if parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port):
            return parts
    except ValueError:  # a port that is no number; its words quote the address
        pass
    raise Misconfigured("SCHEMA_REGISTRY_URL is no address: write http://host:port/path, with user:password@ if needed")


def _without_login(parts: SplitResult) -> str:
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
