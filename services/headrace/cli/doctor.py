"""`headrace doctor`: what is wrong with a cluster, and what to do about it."""

from typing import Annotated

import typer
from msgspec import to_builtins

from headrace.cli.options import SHIPPED, AppPath, AsJson, load_app, print_json
from headrace.settings import read_settings


def doctor(
    app_path: AppPath = SHIPPED,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Make no topic to ask the brokers' clock by; it is removed again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look at brokers, topics, groups, transactions, schemas, the database and what is parked, and say what to do.

    A line each: ok, warn or fail. Exit code 1 when something fails.
    """
    from headrace.doctor.finding import Verdict  # noqa: PLC0415
    from headrace.doctor.rounds import examine  # noqa: PLC0415 - SQLAlchemy is slow to import

    settings, app = read_settings(), load_app(app_path)
    found = []
    _addresses = settings.kafka, settings.database  # without them there is nothing to look at
    for finding in examine(app, settings, writes=not read_only):
        found.append(finding)
        if not as_json:
            typer.echo(
                f"{finding.verdict:<4}  {finding.about}: {finding.what}"
                + f"\n      → {finding.todo}" * bool(finding.todo)
            )
    if as_json:
        print_json(to_builtins(found))
    if any(finding.verdict is Verdict.FAIL for finding in found):
        raise typer.Exit(1)
