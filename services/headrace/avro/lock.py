"""From the author's part files to the locked contracts, and the check that nothing that was locked has changed."""

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

from msgspec import Struct

from headrace.avro.contract import ENVELOPE, Catalogue, Contract, composed, contract_of
from headrace.kernel.errors import Misconfigured

KINDS = ("command", "event", "state")
ENVELOPE_KINDS = ("command_meta", "event_meta", "outcome")
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
    parts += [
        _part(path.parent.name, path.name, path.read_text("utf-8"), str(path))
        for path in sorted(folder.glob("*/*.avsc"))
    ]
    return sorted(parts, key=lambda part: (part.domain, part.name, part.version))


def lock(parts: list[Part], before: Catalogue) -> Catalogue:
    """The contracts that were locked before, and after them what the newest parts make that is new."""
    contracts = list(before.contracts)
    for contract in newest_contracts(parts):
        if contract.id not in before.by_id:
            _refuse_rewriting(contract, before)
            contracts.append(contract)
    return Catalogue(contracts)


def newest_contracts(parts: list[Part]) -> list[Contract]:
    """What the newest version of each part composes to: outcomes, then each domain's commands and events."""
    newest = {(part.domain, part.name): part for part in parts}
    pieces = {(part.domain, part.kind): part for part in newest.values()}
    contracts = []
    for part in newest.values():
        if part.kind == "outcome":
            contracts.append(
                contract_of(part.domain, "outcome", {"fields": part.version}, composed(part.schema, None, None))
            )
        elif part.kind in ("command", "event"):
            contracts.append(_compose(part, pieces))
    return contracts


def problems_with(parts: list[Part], locked: Catalogue) -> list[str]:
    """What differs between the part files and the lock file, a line each."""
    found = [
        f"{contract.record} is not locked as its part files say: run `headrace schemas lock`"
        for contract in newest_contracts(parts)
        if contract.id not in locked.by_id
    ]
    files = {(part.domain, part.name, part.version) for part in parts}
    for contract in locked.contracts:
        if contract_of(contract.domain, contract.kind, contract.versions, contract.schema).id != contract.id:
            found.append(f"{contract.record}: its schema in the lock file was edited by hand: restore it")
        if (contract.domain, contract.name, contract.versions["fields"]) not in files:
            found.append(f"{contract.name}.v{contract.versions['fields']}.avsc is gone: locked versions stay for ever")
    return found


def _compose(part: Part, pieces: dict[tuple[str, str], Part]) -> Contract:
    meta = pieces[ENVELOPE, f"{part.kind}_meta"]
    versions = {"meta": meta.version, "fields": part.version}
    state = None
    if part.kind == "event":
        state = pieces.get((part.domain, "state"))
        if state is None:
            raise Misconfigured(f"{part.path}: domain {part.domain} has events but no part of kind state")
        versions["state"] = state.version
    schema = composed(part.schema, meta.schema, state.schema if state else None)
    return contract_of(part.domain, part.kind, versions, schema)


def _refuse_rewriting(contract: Contract, before: Catalogue) -> None:
    for old in before.contracts:
        if old.record == contract.record and old.versions == contract.versions:
            raise Misconfigured(
                f"{contract.record}: a part of it was changed after it was locked; restore that file and write the "
                f"change as a new version beside it"
            )


def _part(domain: str, file_name: str, text: str, path: str) -> Part:
    matched = FILE_NAME.fullmatch(file_name)
    if not matched:
        raise Misconfigured(f"{path}: name it <Record>.v<N>.avsc")
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise Misconfigured(f"{path}: not JSON: {error}") from error
    kinds = ENVELOPE_KINDS if domain == ENVELOPE else KINDS
    if not isinstance(schema, dict) or schema.get("type") != "record" or schema.get("kind") not in kinds:
        raise Misconfigured(f'{path}: a part is a record with a "kind" of {", ".join(kinds)}')
    if schema.get("name") != matched["name"]:
        raise Misconfigured(f"{path}: the file is named {matched['name']}, its record {schema.get('name')!r}")
    return Part(domain, schema["kind"], int(matched["version"]), schema, path)
