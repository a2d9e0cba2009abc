"""Writing a new domain into a folder: the text of `things`, with its names in the place of theirs."""

import importlib.util
import re
from pathlib import Path
from typing import Final

from headrace.kernel.errors import Misconfigured
from headrace.scaffold.names import class_of, refuse_names

HERE: Final = Path(__file__).parent
HOME: Final = "headrace.scaffold."
RECORDS: Final = ("OpenThing", "RenameThing", "CloseThing", "ThingOpened", "ThingRenamed", "ThingClosed", "Thing")
MODULES: Final = ("__init__", "commands", "events", "decider", "views", "app")
TEMPLATES: Final = {
    **{f"things/{module}.py": f"things/{module}.py" for module in MODULES},
    **{f"schemas/things/{record}.v1.avsc": f"schemas/things/{record}.v1.avsc" for record in RECORDS},
    "test_things.py": "tests/test_things.py",
}
"""Each file of the template, and where it goes before it is renamed."""


def write_domain(name: str, singular: str, folder: Path) -> list[Path]:
    """Write package, schemas and test of a domain; returns the files. `Misconfigured` rather than overwrite one."""
    refuse_names(name, singular, (_text(template) for template in TEMPLATES if template.endswith(".py")))
    files = {folder / renamed(path, name, singular): template for template, path in TEMPLATES.items()}
    there = [str(path) for path in files if path.exists()]
    if there:
        raise Misconfigured(f"{there[0]} is there already, and nothing is overwritten: take another name or folder")
    if importlib.util.find_spec(name) is not None:
        raise Misconfigured(f"{name!r} is a Python module already: take another name")
    for target in files:
        target.parent.mkdir(parents=True, exist_ok=True)
    for target, template in files.items():
        target.write_text(renamed(_text(template), name, singular), encoding="utf-8")
    return list(files)


def singular_of(name: str) -> str:
    """The name of one of many: `parties` are of a `party`, `boxes` of a `box`, `orders` of an `order`."""
    for plural, one in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("s", "")):
        if name.endswith(plural) and len(name) > len(plural):
            return name.removesuffix(plural) + one
    return name


def renamed(text: str, name: str, singular: str) -> str:
    """The template's text with the domain's names, as a package of its own."""
    words = {
        "things": name,
        "Things": class_of(name),
        "THINGS": name.upper(),
        "thing": singular,
        "Thing": class_of(singular),
    }
    return re.sub("things?|Things?|THINGS", lambda found: words[found[0]], text.replace(HOME, ""))


def _text(template: str) -> str:
    return (HERE / template).read_text(encoding="utf-8")
