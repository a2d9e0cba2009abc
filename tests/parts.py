"""Part files of a small domain, written into a folder and locked."""

import json
from pathlib import Path
from typing import Any

from headrace.avro.contract import Catalogue
from headrace.avro.lock import lock, read_parts


def field(name: str, kind: Any = "string", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def write_part(
    folder: Path, kind: str, name: str, *fields: dict[str, Any], version: int = 1, namespace: str = "test.bells"
) -> Path:
    """A part of the domain `bells`, as its author would write it."""
    path = folder / "bells" / f"{name}.v{version}.avsc"
    path.parent.mkdir(exist_ok=True)
    schema = {"type": "record", "name": name, "namespace": namespace, "kind": kind, "fields": fields}
    path.write_text(json.dumps(schema), encoding="utf-8")
    return path


def locked(folder: Path, before: Catalogue | None = None) -> Catalogue:
    """What `headrace schemas lock` would write, without its checks."""
    return lock(read_parts(folder), before or Catalogue([]))
