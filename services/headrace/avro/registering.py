"""Registering the contracts with a schema registry: what a deployment does before its services start."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from msgspec import Struct

from headrace.avro.contract import Catalogue, Contract
from headrace.avro.ids import AT_ONCE, contracts_of, subjects_of
from headrace.avro.registry import NotThere, Refused, Registry, patiently
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured
from headrace.settings import Settings


class Subject(Struct, frozen=True):
    """A schema that is registered: `new` since now."""

    subject: str
    versions: dict[str, int]
    id: int
    new: bool


class Registered(Struct, frozen=True):
    """What is registered, and why the rest is not, a line each."""

    subjects: list[Subject]
    refused: list[str]


def registered(
    app: App, catalogue: Catalogue, settings: Settings, wait_s: float, tell: Callable[[str], None]
) -> Registered:
    """Register what is not; versions of one record go in their order, since each is compared with those before it.

    `Misconfigured` without a registry, `Silent` when it does not answer in time.
    """
    if not settings.registry:
        raise Misconfigured("SCHEMA_REGISTRY_URL is not set: try `headrace local up --registry`, which prints it")
    registry = Registry(settings.registry)
    histories: dict[str, list[Contract]] = {}
    for contract in contracts_of(app, catalogue):
        for subject in subjects_of(contract, app):
            histories.setdefault(subject, []).append(contract)

    def one(history: tuple[str, list[Contract]]) -> Registered:
        return patiently(lambda: _register(registry, *history), wait_s, tell)

    done = Registered([], [])
    with closing(registry), ThreadPoolExecutor(AT_ONCE) as several:
        for found in several.map(one, histories.items()):
            done.subjects.extend(found.subjects)
            done.refused.extend(found.refused)
    return done


def _register(registry: Registry, subject: str, history: list[Contract]) -> Registered:
    registry.keep_compatible(subject)
    done = Registered([], [])
    for contract in history:
        try:
            number, new = _ensure(registry, subject, contract)
        except Refused as why:
            done.refused.append(f"{subject}: {why}")
            continue
        done.subjects.append(Subject(subject, contract.versions, number, new))
    return done


def _ensure(registry: Registry, subject: str, contract: Contract) -> tuple[int, bool]:
    """The contract's id there, and whether it is registered since now."""
    try:
        return registry.id_of(subject, contract.schema), False
    except NotThere:
        return registry.register(subject, contract.schema), True
