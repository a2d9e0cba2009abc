"""The part files of the lamps, a team's own domain, and their contracts."""

import json
import os
import subprocess
import sys
from pathlib import Path

OUTSIDE = Path(__file__).parent / "journeys" / "outside"


def part(name: str, kind: str, **fields: str) -> str:
    """A part file, as its author writes it."""
    listed = [{"name": field, "type": avro} for field, avro in fields.items()]
    return json.dumps({"type": "record", "name": name, "namespace": "example", "kind": kind, "fields": listed})


PARTS = {
    "Hang": part("Hang", "command", room="string"),
    "Switch": part("Switch", "command", on="boolean"),
    "Hung": part("Hung", "event", room="string"),
    "Switched": part("Switched", "event", on="boolean"),
    "Lamp": part("Lamp", "state", room="string", on="boolean", switched="long"),
}


def lock_lamps(folder: Path) -> Path:
    """Write the part files and lock them, as the team would; returns the folder of the lock file."""
    schemas = folder / "schemas"
    (schemas / "lights").mkdir(parents=True)
    for name, text in PARTS.items():
        (schemas / "lights" / f"{name}.v1.avsc").write_text(text)
    locked = subprocess.run(
        [sys.executable, "-m", "headrace", "schemas", "lock", "--app", "lights:app"],
        env={**os.environ, "HEADRACE_SCHEMAS": str(schemas)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "7 contracts locked" in locked.stdout, locked.stderr
    return schemas
