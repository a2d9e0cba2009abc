"""Which ids the contracts have: those of the lock file, and with SCHEMA_REGISTRY_URL those of the registry as well.

Records are written with the registry's. They are read by either, so that both may lie in one log: the lock file's lie
far above what registries count up to. An id means a contract only if the registry has the very schema under it.
"""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final

from msgspec import Struct
from structlog import get_logger

from headrace.avro.codec import Codec, types_of
from headrace.avro.contract import ENVELOPE, Catalogue, Contract, read_lock
from headrace.avro.functions import functions_called
from headrace.avro.registry import NotThere, Registry, patiently
from headrace.avro.schema import canonical, definitions, standing_alone
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured
from headrace.observe.health import Health
from headrace.settings import Settings

AT_ONCE: Final = 8
PATIENCE_S: Final = 300.0
"""So long a service waits for the registry when it starts; then it ends, and its supervisor starts it again."""
TOOLS_PATIENCE_S: Final = 15.0
"""So long a command that somebody waits for."""
TELL_S: Final = 15.0

log = get_logger("headrace.registry")


class Ids(Struct):
    """The registry's ids: `written` by the lock file's, and the lock file's by each that is `known` to be read."""

    written: dict[int, int]
    known: dict[int, int]

    def learn(self, number: int, catalogue: Catalogue, registry: Registry) -> None:
        """Ask the registry what an id means that was met in the log; `Silent` when it does not answer."""
        try:
            meaning = _meaning(registry.schema_of(number))
        except NotThere:
            return
        for contract in catalogue.contracts:
            if _meaning(contract.schema) == meaning:
                self.known[number] = contract.id


def open_codec(app: App, settings: Settings, health: Health | None = None) -> Codec:
    """The app's codec, with the ids of the registry if there is one: a service, which has a `health`, waits for it."""
    return codec_with(app, settings, fetched_ids(app, settings, health))


def codec_with(app: App, settings: Settings, ids: Ids | None) -> Codec:
    """The app's codec by the lock file as it is now."""
    catalogue, functions = read_lock(settings.schemas), functions_called(settings.codec)
    written, known = (ids.written, ids.known) if ids else ({}, {})
    return Codec(app, catalogue, written, known, functions)


def fetched_ids(app: App, settings: Settings, health: Health | None = None) -> Ids | None:
    """The registry's ids of the app's contracts, None without a registry.

    `Misconfigured` says what to do when the registry has not the schemas that the lock file has; `Silent` comes when it
    has not answered in time.
    """
    if not settings.registry:
        return None
    registry, catalogue = Registry(settings.registry), read_lock(settings.schemas)
    patience_s = PATIENCE_S if health else TOOLS_PATIENCE_S
    tell = _teller(health) if health else _tell_nobody
    with closing(registry):
        ids = patiently(lambda: _fetch(app, catalogue, registry), patience_s, tell)
    if health:
        health.wait_for_servers()
        log.info("schema ids fetched", registry=registry.where, schemas=len(ids.written))
    return ids


def subjects_of(contract: Contract, app: App) -> list[str]:
    """The subjects of a contract: topic and full name of the record, for each topic that it may lie in."""
    own = [each for each in app.aggregates if contract.domain in (each.name, ENVELOPE)]
    topics = {"command": "command_topic", "event": "event_topic", "outcome": "outcome_topic"}
    return [f"{getattr(each, topics[contract.kind])}-{contract.record}" for each in own]


def contracts_of(app: App, catalogue: Catalogue) -> list[Contract]:
    """The contracts that the app's records are written by, or once were, the oldest of each record first."""
    types = types_of(app)
    return [contract for contract in catalogue.contracts if (contract.domain, contract.name) in types]


def _fetch(app: App, catalogue: Catalogue, registry: Registry) -> Ids:
    wanted = [
        (contract, subject) for contract in contracts_of(app, catalogue) for subject in subjects_of(contract, app)
    ]

    def ask(one: tuple[Contract, str]) -> int | None:
        contract, subject = one
        is_newest = catalogue.newest[contract.domain, contract.name] is contract
        return _checked_id(registry, contract, subject, is_needed=is_newest)

    ids = Ids({}, {})
    with ThreadPoolExecutor(AT_ONCE) as several:
        for (contract, _), number in zip(wanted, several.map(ask, wanted), strict=True):
            if number is not None:
                _refuse_taken(number, contract, catalogue, registry)
                ids.written.setdefault(contract.id, number)
                ids.known[number] = contract.id
    return ids


def _checked_id(registry: Registry, contract: Contract, subject: str, *, is_needed: bool) -> int | None:
    """The contract's id, once it is sure that the registry gives the contract's schema for it."""
    try:
        number = registry.id_of(subject, contract.schema)
    except NotThere as why:
        if not is_needed:
            return None  # older than the registry: nothing was ever written with an id of it
        if why.is_subject:
            raise Misconfigured(
                f"the schema registry at {registry.where} has other schemas under {subject} than the lock file: run "
                f"`headrace schemas register`, which says whether they go together"
            ) from None
        raise Misconfigured(
            f"the schema registry at {registry.where} has no subject {subject}: run `headrace schemas register`"
        ) from None
    try:
        found = registry.schema_of(number)
    except NotThere:
        found = None
    if found is None or _meaning(found) != _meaning(contract.schema):
        raise Misconfigured(
            f"the schema registry at {registry.where} says that {subject} has id {number}, and gives another schema "
            f"for that id: what is written with it could not be read; repair the registry, or unset SCHEMA_REGISTRY_URL"
        )
    return number


def _refuse_taken(number: int, contract: Contract, catalogue: Catalogue, registry: Registry) -> None:
    other = catalogue.by_id.get(number)
    if other is not None and other.id != contract.id:
        raise Misconfigured(
            f"the schema registry at {registry.where} gives {contract.record} the id {number}, which the lock file "
            f"gives {other.record}: have the registry count from another number, or unset SCHEMA_REGISTRY_URL"
        )


def _meaning(schema: object) -> str:
    """The same text for the same schema, however names and namespaces are written; documentation says nothing."""
    return canonical(standing_alone(schema, dict(definitions(schema)), "", set()))


def _teller(health: Health) -> Callable[[str], None]:
    """Tells why it is waited, each reason at once and then now and then; a probe learns it as well."""
    told: dict[str, float] = {}

    def tell(why: str) -> None:
        health.wait_for(why)
        now = time.monotonic()
        if now - told.get(why, -math.inf) >= TELL_S:
            told[why] = now
            log.warning("waiting for the schema registry", why=why)

    return tell


def _tell_nobody(_why: str) -> None:
    """Whoever waits for a command learns the reason at its end."""
