"""`python -m headrace_load.manifests.vendor FILE…`: keeps what a check needs of the definitions of custom resources.

The files are CustomResourceDefinitions, YAML or JSON, as their projects publish them; see `crds/NOTICE`.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml

CRDS: Final = Path(__file__).parent / "crds"
TEXTS: Final = ("description", "example", "x-kubernetes-validations")


def trimmed(schema: Any) -> Any:
    """A schema without what only people and API servers read; a property may well be called `description`."""
    if isinstance(schema, list):
        return [trimmed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {key: trimmed(one) for key, one in value.items()} if name == "properties" else trimmed(value)
        for name, value in schema.items()
        if name not in TEXTS
    }


def main(files: Iterable[str]) -> None:
    """Write a file for each served version."""
    for file in files:
        definition = yaml.safe_load(Path(file).read_text())["spec"]
        for version in definition["versions"]:
            if version["served"]:
                name = f"{definition['group']}_{version['name']}_{definition['names']['kind']}.json"
                schema = trimmed(version["schema"]["openAPIV3Schema"])
                (CRDS / name).write_text(json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
