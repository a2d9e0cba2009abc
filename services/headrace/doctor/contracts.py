"""The schemas: do the parts, the lock file and the code say the same."""

from collections.abc import Iterator

from headrace.avro.agreement import disagreements
from headrace.avro.contract import read_lock
from headrace.avro.lock import problems_with, read_parts
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
