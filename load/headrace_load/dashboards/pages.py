"""Where the pages of docs/runbooks are on the dashboard that holds them."""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[3] / "docs" / "runbooks"
UID: Final = "headrace-runbooks"


def names() -> list[str]:
    """All pages, each named as its alert."""
    return sorted(page.stem for page in FOLDER.glob("*.md"))


def link_to(name: str) -> str:
    """The panel that holds a page, alone; `ValueError` when there is no such page."""
    return f"/d/{UID}?viewPanel=panel-{number(name)}"


def number(name: str) -> int:
    """The id of the panel that holds a page."""
    return names().index(name) + 1
