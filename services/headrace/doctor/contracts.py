"""The schemas: do the parts, the lock file, the code and, if there is one, the registry say the same."""

from collections.abc import Iterator

from headrace.avro.agreement import disagreements
from headrace.avro.contract import read_lock
from headrace.avro.ids import fetched_ids
from headrace.avro.lock import problems_with, read_parts
from headrace.avro.registry import Silent
from headrace.doctor.finding import Finding, fail, ok
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured
from headrace.settings import Settings


def schemas(app: App, settings: Settings) -> Iterator[Finding]:
    """What `headrace schemas check` compares, but for compatibility, which needs an extra."""
    try:
        catalogue = read_lock(settings.schemas)
        parts = read_parts(settings.schemas)
    except Misconfigured as error:
        yield fail("schemas", str(error), "set HEADRACE_SCHEMAS to the folder of ids.json")
        return
    problems = [*problems_with(parts, catalogue), *disagreements(app, catalogue)]
    for problem in problems:
        yield fail("schemas", problem, "deploy the schemas that belong to this code, or run headrace schemas lock")
    if not problems:
        yield ok("schemas", f"{len(catalogue.contracts)} contracts: parts, ids.json and code agree")


def registry(app: App, settings: Settings) -> Iterator[Finding]:
    """What a service would refuse at its start, or wait for; nothing without a registry."""
    try:
        ids = fetched_ids(app, settings)
    except Misconfigured as error:
        what, _, todo = str(error).partition(": run ")
        change = "look at SCHEMA_REGISTRY_URL, and at what is registered there"
        yield fail("registry", what, f"run {todo}" if todo else change)
    except Silent as error:
        todo = "bring it back: what runs goes on without it, what starts waits for it"
        yield fail("registry", " ".join(str(error).split()), todo)
    else:
        if ids is not None:
            yield ok("registry", f"{len(ids.written)} schemas are registered as ids.json has them")
