"""The straight-line source that is generated for a record, for people to look at."""

from headrace.avro.codec import types_of
from headrace.avro.contract import Catalogue, Contract, split
from headrace.avro.straight import NotStraight, source_of
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured
from headrace.kernel.message import CommandMeta, EventMeta


def generated_source(app: App, catalogue: Catalogue, contract: Contract) -> str:
    """What is compiled to write and to read the newest version of a record.

    `Misconfigured` for a record that is not of the app, and for one that fastavro reads and writes, with the reason.
    """
    newest = catalogue.newest[contract.domain, contract.name]
    found = types_of(app).get((newest.domain, newest.name))
    if found is None:
        raise Misconfigured(f"{newest.record} is in the lock file, and no aggregate of the app has a class for it")
    kinds = (CommandMeta if newest.kind == "command" else EventMeta, *found[:2])
    meta, body, state = (
        (schema, kind) if schema is not None else None for schema, kind in zip(split(newest), kinds, strict=True)
    )
    assert body is not None  # noqa: S101 - every record has fields of its own, if only none of them
    try:
        return source_of(meta, body, state, newest.id.to_bytes(5, "big"))
    except NotStraight as error:
        raise Misconfigured(f"{newest.name} has no generated source, fastavro reads and writes it: {error}") from error
