"""From the author's part files to the locked contracts, and the check that nothing that was locked has changed."""

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

from msgspec import Struct

from headrace.avro.contract import ENVELOPE, Catalogue, Contract, composed, contract_of
from headrace.avro.schema import Schema, canonical
from headrace.kernel.errors import Misconfigured

KINDS = ("command", "event", "state")
ENVELOPE_KINDS = ("command_meta", "event_meta", "outcome", "command")
MOST_LEVELS = 100
FILE_NAME = re.compile(r"(?P<name>[A-Z][A-Za-z0-9]*)\.v(?P<version>[1-9][0-9]*)\.avsc")


class Part(Struct, frozen=True):
    """One part file: an event's or a command's own fields, an aggregate's state, or a piece of the envelope."""

    domain: str
    kind: str
    version: int
    schema: dict[str, Any]
    path: str

    @property
    def name(self) -> str:
        """The record's name."""
        return str(self.schema["name"])


def read_parts(folder: Path) -> list[Part]:
    """The envelope's part files and those of every domain under the folder, by domain, name and version."""
    parts = [
        _part(ENVELOPE, entry.name, entry.read_text("utf-8"), entry.name)
        for entry in resources.files("headrace.avro").joinpath("envelope").iterdir()
    ]
    parts += [_part(path.parent.name, path.name, _text_of(path), str(path)) for path in sorted(folder.glob("*/*.avsc"))]
    return sorted(parts, key=lambda part: (part.domain, part.name, part.version))


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path}: not UTF-8") from error


def lock(parts: list[Part], before: Catalogue) -> Catalogue:
    """The contracts that were locked before, and what the newest parts make, which is the newest of each record."""
    contracts = list(before.contracts)
    for contract in newest_contracts(parts):
        same_id = before.by_id.get(contract.id)
        if same_id is None:
            _refuse_rewriting(contract, before)
            contracts.append(contract)
        elif same_id.domain != contract.domain or canonical(same_id.schema) != canonical(contract.schema):
            raise Misconfigured(
                f"{contract.record} in {contract.domain} would get the id of {same_id.record} in {same_id.domain}: "
                f"give it another name or namespace"
            )
        elif before.newest[contract.domain, contract.name] is not same_id:
            # The newest part says what an older one said: that contract, under the id that it has, counts again.
            contracts.remove(same_id)
            contracts.append(same_id)
    return Catalogue(contracts)


def newest_contracts(parts: list[Part]) -> list[Contract]:
    """What the newest version of each part composes to: outcomes and the engine's commands, then each domain's."""
    newest = {(part.domain, part.name): part for part in parts}
    pieces: dict[tuple[str, str], Part] = {}
    for part in newest.values():
        other = pieces.setdefault((part.domain, part.kind), part)
        if part.kind == "state" and other is not part:
            raise Misconfigured(f"{part.path}: domain {part.domain} has a state already, {other.name}: one is enough")
    return [_contract(part, pieces) for part in newest.values() if part.kind in ("outcome", "command", "event")]


def problems_with(parts: list[Part], locked: Catalogue) -> list[str]:
    """What differs between the part files and the lock file, a line each."""
    newest = {key: contract.id for key, contract in locked.newest.items()}
    found = [
        f"{contract.record} is not locked as its part files say: run `headrace schemas lock`"
        for contract in newest_contracts(parts)
        if newest.get((contract.domain, contract.name)) != contract.id
    ]
    return found + changed_afterwards(parts, locked)


def changed_afterwards(parts: list[Part], locked: Catalogue) -> list[str]:
    """What was changed in the lock file and in the parts that it was made of, a line each: nothing is locked then."""
    return list(dict.fromkeys(line for contract in locked.contracts for line in _changes(contract, parts)))


def _changes(contract: Contract, parts: list[Part]) -> list[str]:
    """How a locked contract or the part files that it was made of were changed afterwards."""
    if contract_of(contract.domain, contract.kind, contract.versions, contract.schema).id != contract.id:
        return [f"{contract.record}: its schema in the lock file was edited by hand: restore it"]
    fields = contract.schema["fields"]
    names = {
        "fields": (contract.domain, contract.name),
        "meta": (ENVELOPE, _name_of(fields[0]["type"])),
        "state": (contract.domain, _name_of(fields[-1]["type"])),
    }
    files = {(part.domain, part.name, part.version): part for part in parts}
    wanted = {piece: (*names[piece], version) for piece, version in contract.versions.items()}
    gone = [name for name in wanted.values() if name not in files]
    if gone:
        return [f"{name}.v{version}.avsc is gone: locked versions stay for ever" for _, name, version in gone]
    made_of = {piece: files[name] for piece, name in wanted.items()}
    if _composed(made_of["fields"], made_of.get("meta"), made_of.get("state")).id != contract.id:
        paths = ", ".join(part.path for part in made_of.values())
        return [f"{contract.record}: one of {paths} was changed after it was locked: restore it"]
    return []


def _name_of(schema: Schema) -> str:
    """The short name of a record, given whole or by name; empty for what is none."""
    name = schema.get("name", "") if isinstance(schema, dict) else schema
    return name.rpartition(".")[2] if isinstance(name, str) else ""


def _contract(part: Part, pieces: dict[tuple[str, str], Part]) -> Contract:
    """A part with its domain's state and the envelope's meta, as far as its kind has them."""
    state = pieces.get((part.domain, "state")) if part.kind == "event" else None
    if part.kind == "event" and state is None:
        raise Misconfigured(f"{part.path}: domain {part.domain} has events but no part of kind state")
    return _composed(part, pieces.get((ENVELOPE, f"{part.kind}_meta")), state)


def _composed(part: Part, meta: Part | None, state: Part | None) -> Contract:
    made_of = {"meta": meta, "fields": part, "state": state}
    try:
        schema = composed(part.schema, meta and meta.schema, state and state.schema)
    except (KeyError, TypeError, AttributeError) as error:
        raise Misconfigured(f"{part.path}: not an Avro schema: {type(error).__name__} {error}") from error
    versions = {name: piece.version for name, piece in made_of.items() if piece is not None}
    return contract_of(part.domain, part.kind, versions, schema)


def _refuse_rewriting(contract: Contract, before: Catalogue) -> None:
    for old in before.history(contract):
        if old.versions == contract.versions:
            raise Misconfigured(
                f"{contract.record}: a part of it was changed after it was locked; restore that file and write the "
                f"change as a new version beside it"
            )


def _part(domain: str, file_name: str, text: str, path: str) -> Part:
    matched = FILE_NAME.fullmatch(file_name)
    if not matched:
        raise Misconfigured(f"{path}: name it <Record>.v<N>.avsc")
    schema = _parsed(text, path)
    kinds = ENVELOPE_KINDS if domain == ENVELOPE else KINDS
    if not isinstance(schema, dict) or schema.get("type") != "record" or schema.get("kind") not in kinds:
        raise Misconfigured(f'{path}: a part is a record with a "kind" of {", ".join(kinds)}')
    if schema.get("name") != matched["name"]:
        raise Misconfigured(f"{path}: the file is named {matched['name']}, its record {schema.get('name')!r}")
    return Part(domain, schema["kind"], int(matched["version"]), schema, path)


def _parsed(text: str, path: str) -> Any:
    """The JSON in a part file, if it is not so deep that whoever walks it would run out of stack."""
    try:
        schema = json.loads(text)
        is_deep = _depth(schema) > MOST_LEVELS
    except RecursionError:
        is_deep = True
    except ValueError as error:
        raise Misconfigured(f"{path}: not JSON: {error}") from error
    if is_deep:
        raise Misconfigured(f"{path}: nested deeper than {MOST_LEVELS} levels of JSON: flatten it")
    return schema


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)
