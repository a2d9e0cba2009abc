"""The pages that say what an alert means and what to do, one panel each: no alert leads out of Grafana."""

import re
from typing import Any, Final

from grafana_foundation_sdk.builders import text
from grafana_foundation_sdk.models.text import TextMode

from headrace_load.dashboards import pages
from headrace_load.dashboards.board import as_json, frame

LINK: Final = re.compile(r"\]\((\w+)\.md\)")
HEIGHT: Final = 14


def runbooks() -> dict[str, Any]:
    """What Grafana reads."""
    made = frame(pages.UID, "runbooks", "What each alert means, how to look, what to do: docs/runbooks.")
    for name in pages.names():
        title, _, content = (pages.FOLDER / f"{name}.md").read_text(encoding="utf-8").partition("\n")
        linked = LINK.sub(lambda found: f"]({pages.link_to(found[1])})", content.strip())
        panel = text.Panel().id(pages.number(name)).title(title.removeprefix("# ")).mode(TextMode.MARKDOWN)
        made.with_panel(panel.content(linked).description(f"docs/runbooks/{name}.md").span(12).height(HEIGHT))
    return as_json(made)
