"""How `headrace parked list` prints what it has found."""

from datetime import UTC, datetime
from typing import Any

import typer

from headrace.cli.options import print_table

COUNTED = {"aggregate": "commands", "reactor": "records", "projector": "events"}
"""What waits, by whose it is."""


def print_listed(listed: dict[str, Any]) -> None:
    """What one aggregate, reactor or view has parked, and what to do about it."""
    keys, aside = listed["parked"], listed.get("set_aside", [])
    [(kind, what)] = [(kind, what) for kind, what in COUNTED.items() if kind in listed]
    name = listed[kind]
    counted = [f"{len(keys)} keys parked", *([f"{len(aside)} records set aside"] if kind == "aggregate" else ())]
    typer.echo(f"{kind} {name}: {', '.join(counted)}")
    rows = [[it["key"], it[what], _place(it), _time(it["parked_at"]), _because(it)] for it in keys]
    print_table(("key", what, "first at", "since", "because of"), rows)
    if keys and kind == "reactor":
        typer.echo(
            f"  after a fix: start `headrace react {name}` anew; `show --reactor` tells more, `discard` gives up"
        )
    elif keys:
        flag = "--projector " if kind == "projector" else ""
        typer.echo(f"  after a fix: headrace parked redrive {flag}{name} KEY; `show` tells more, `discard` gives up")
    print_table(
        ("set aside", "since", "because"), [[_place(it), _time(it["parked_at"]), it["message"]] for it in aside]
    )
    if aside:
        typer.echo(
            f"  no commands, so nothing waits for them and nothing is to be redriven: mend the sender, which sends "
            f"anew; their bytes: headrace tail {name} --kind parked --from-beginning --no-follow"
        )


def _because(entry: dict[str, Any]) -> str:
    """The exception; a projector's reason says where, and holds no value of the event."""
    return str(entry.get("message") or entry["exception"])


def _place(entry: dict[str, Any]) -> str:
    return f"{entry['topic']}[{entry['partition']}] {entry['offset']}"


def _time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}"
