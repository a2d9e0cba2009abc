"""Writes the dashboards: `python -m headrace_load.dashboards`, or `make dashboards`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from headrace_load.dashboards import handlers, overview, processes, projectors, servers
from headrace_load.dashboards.board import built
from headrace_load.dashboards.runbooks import runbooks

FOLDER: Final = Path(__file__).parents[3] / "deploy" / "grafana" / "dashboards"
BOARDS: Final = (overview.BOARD, handlers.BOARD, projectors.BOARD, processes.BOARD, servers.BOARD)


def files() -> Iterator[tuple[Path, str]]:
    """Each file's path, and its text."""
    for made in (*map(built, BOARDS), runbooks()):
        yield (
            FOLDER / f"{made['uid'].removeprefix('headrace-')}.json",
            json.dumps(made, indent=1, sort_keys=True) + "\n",
        )


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file, text in files():
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
