"""The contracts that records are written by: what `schemas/ids.json` holds, and how a part becomes one."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from headrace.avro.schema import Schema, canonical, definitions, schema_id, standing_alone
from headrace.kernel.errors import Misconfigured

LOCK_FILE = "ids.json"
ENVELOPE = "headrace"


class Contract(Struct, frozen=True):
    """A composed schema as it is registered and locked; `versions` says which part files it was made of."""

    id: int
    domain: str
    record: str
    kind: str
    versions: dict[str, int]
    schema: dict[str, Any]

    @property
    def name(self) -> str:
        """The record's name without its namespace."""
        return self.record.rpartition(".")[2]

    @property
    def prefix(self) -> bytes:
        """What every record of it begins with in Confluent's framing: a zero byte and the id."""
        return self.id.to_bytes(5, "big")


class Catalogue:
    """All contracts that were ever locked, by id, and the newest of each record, by domain and name."""

    def __init__(self, contracts: Iterable[Contract]) -> None:
        self.contracts = tuple(contracts)
        self.by_id = {contract.id: contract for contract in self.contracts}
        self.newest = {(contract.domain, contract.name): contract for contract in self.contracts}
        if len(self.by_id) < len(self.contracts):
            raise Misconfigured(f"{LOCK_FILE} gives two contracts one id: rename a record")

    def history(self, newest: Contract) -> list[Contract]:
        """All versions of one record, oldest first, whatever namespace it had: readers know it without that."""
        return [old for old in self.contracts if (old.domain, old.name) == (newest.domain, newest.name)]


def read_lock(folder: Path) -> Catalogue:
    """The contracts in the folder's lock file; `Misconfigured` when it is missing or unreadable."""
    path = folder / LOCK_FILE
    try:
        return Catalogue(msgspec.json.decode(path.read_bytes(), type=list[Contract]))
    except FileNotFoundError as error:
        raise Misconfigured(f"no {path}: run `headrace schemas lock`, or set HEADRACE_SCHEMAS") from error
    except msgspec.MsgspecError as error:
        raise Misconfigured(f"{path}: {error}; restore it from version control") from error


def write_lock(folder: Path, catalogue: Catalogue) -> None:
    """Write the lock file, one contract a line, so that a change reads well in review."""
    lines = (json.dumps(msgspec.to_builtins(contract), ensure_ascii=False) for contract in catalogue.contracts)
    (folder / LOCK_FILE).write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def composed(part: Schema, meta: Schema | None, state: Schema | None) -> dict[str, Any]:
    """The whole schema of a record: `meta` first, the part's own fields, `state` last."""
    name = f"{part['namespace']}.{part['name']}" if part.get("namespace") else part["name"]
    fields = [*part["fields"]]
    if meta is not None:
        fields.insert(0, {"name": "meta", "type": _bare(meta)})
    if state is not None:
        fields.append({"name": "state", "type": _bare(state), "doc": "the aggregate after the event"})
    whole = {"type": "record", "name": name, "doc": part.get("doc", ""), "fields": fields}
    known = dict(definitions(whole))
    _refuse_two_meanings(whole, known)
    return dict(standing_alone(whole, known, part.get("namespace", ""), set()))


def contract_of(domain: str, kind: str, versions: dict[str, int], schema: dict[str, Any]) -> Contract:
    """The contract for a composed schema, with the id that its content gives it."""
    return Contract(schema_id(schema), domain, schema["name"], kind, versions, schema)


def split(contract: Contract) -> tuple[Schema | None, Schema, Schema | None]:
    """The contract's meta, own fields and state, each a schema that stands alone.

    Avro writes a record as its fields one after the other, so the three read and write the same bytes as the whole.
    """
    known = dict(definitions(contract.schema))
    fields = contract.schema["fields"]
    meta = fields[0]["type"] if contract.kind in ("command", "event") else None
    state = fields[-1]["type"] if contract.kind == "event" else None
    own = fields[meta is not None : len(fields) - (state is not None)]
    space = contract.record.rpartition(".")[0]
    body = {"type": "record", "name": f"{contract.record}.body", "fields": own}
    alone = [piece and standing_alone(piece, known, space, set()) for piece in (meta, body, state)]
    return alone[0], alone[1], alone[2]


def _refuse_two_meanings(whole: Schema, known: dict[str, dict[str, Any]]) -> None:
    """A record can define a name once only, so its parts must mean the same by it."""
    meanings: dict[str, str] = {}
    for name, definition in definitions(whole):
        meaning = canonical(standing_alone(definition, known, name.rpartition(".")[0], set()))
        if meanings.setdefault(name, meaning) != meaning:
            raise Misconfigured(
                f"{whole['name']}: its parts define {name} in two ways: write the same definition in both, as a new "
                f"version of the part that lags behind"
            )


def _bare(schema: Schema) -> Schema:
    """The schema without the tool's own attribute."""
    return {key: value for key, value in schema.items() if key != "kind"} if isinstance(schema, dict) else schema
