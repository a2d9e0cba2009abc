"""Whether Kubernetes, or the operator whose resource it is, knows every field of a document."""

import json
from functools import cache
from typing import Any, Final

import jsonschema
import kubernetes_validate

from headrace_load.manifests.documents import Document
from headrace_load.manifests.vendor import CRDS

KUBERNETES: Final = "1.34"
OPEN: Final = "x-kubernetes-preserve-unknown-fields"


def problems_with_schemas(documents: list[Document]) -> list[str]:
    """What is wrong with each document, by the schemas of Kubernetes and of the custom resources."""
    return [f"{_called(document)}: {problem}" for document in documents for problem in _problems(document)]


def _problems(document: Document) -> list[str]:
    group, _, version = document["apiVersion"].rpartition("/")
    custom = CRDS / f"{group}_{version}_{document['kind']}.json"
    if custom.exists():
        found = _validator(custom.name).iter_errors(document)
        return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{'.'.join(map(str, error.path))}: {error.message}"]
    except kubernetes_validate.SchemaNotFoundError:
        return [f"nobody knows a {document['kind']} of {document['apiVersion']}"]
    return []


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(closed(json.loads((CRDS / name).read_text())))


def closed(schema: Any, *, top: bool = True) -> Any:
    """A structural schema as one of JSON that takes no field which it does not name, as a strict API server."""
    if isinstance(schema, list):
        return [closed(one, top=False) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(value, top=False) for name, value in schema.items() if name not in ("properties", "nullable")}
    if "properties" in schema:
        made["properties"] = {name: closed(value, top=False) for name, value in schema["properties"].items()}
        if not schema.get(OPEN) and "additionalProperties" not in schema and schema.get("type") == "object":
            made["additionalProperties"] = False
    if top:
        # What Kubernetes gives every resource; its metadata is checked where it lists them, here only for its fields.
        made["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": METADATA}
    if schema.get("nullable") and isinstance(schema.get("type"), str):
        made["type"] = [schema["type"], "null"]
    return made


METADATA: Final = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "namespace": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def _called(document: Document) -> str:
    return f"{document['kind']} {document.get('metadata', {}).get('name', '?')}"
