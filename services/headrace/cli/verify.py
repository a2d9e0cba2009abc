"""`headrace verify`: asks a verifier that shares no code with the services whether all is right."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from headrace.cli.options import SHIPPED, AppPath, AsJson, load_app, print_json
from headrace.kernel.errors import Misconfigured


def verify(
    bootstrap_servers: Annotated[
        str, typer.Option(envvar="KAFKA_BOOTSTRAP_SERVERS", help="The brokers' addresses.")
    ] = "",
    database_url: Annotated[str, typer.Option(envvar="DATABASE_URL", help="The database's address.")] = "",
    schemas: Annotated[Path, typer.Option(envvar="HEADRACE_SCHEMAS", help="The folder of ids.json.")] = Path("schemas"),
    dedup_window_s: Annotated[
        int,
        typer.Option(min=1, envvar="HEADRACE_DEDUP_WINDOW_S", help="How long the handlers remember a command's id."),
    ] = 300,
    history: Annotated[
        list[Path] | None, typer.Option(help="What clients saw, as the load generator writes it; for each of them.")
    ] = None,
    logs: Annotated[Path | None, typer.Option(help="The folder of the handlers' *.log files.")] = None,
    domain: Annotated[
        list[str] | None, typer.Option(help="A domain to verify, and no other; for each of them.")
    ] = None,
    app_path: AppPath = SHIPPED,
    as_json: AsJson = False,
) -> None:
    """Read the topics and tables of an application, quiet by now, and check them; exit code 1 when something is wrong.

    Exit code 2 when they cannot be reached or are empty, or when a history or the logs cannot be read.
    """
    try:
        from headrace_load import verify as verifier  # noqa: PLC0415 - not part of a production image
        from headrace_load.verify.show import show  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Misconfigured(
            f"{error.name} is not installed: the verifier is not in the wheel, run it from a clone after `make setup`"
        ) from error
    for name, address in (("KAFKA_BOOTSTRAP_SERVERS", bootstrap_servers), ("DATABASE_URL", database_url)):
        if not address:
            raise Misconfigured(f"{name} is not set: try `headrace local up`, which prints it")
    domains = domain or [aggregate.name for aggregate in load_app(app_path).aggregates]
    try:
        evidence = verifier.Evidence(tuple(history or ()), logs)
        report = verifier.verify(
            bootstrap_servers, database_url, schemas, domains, dedup_window_s=dedup_window_s, evidence=evidence
        )
    except verifier.CannotVerify as error:
        raise Misconfigured(str(error)) from error
    if as_json:
        print_json(report.as_json())
    else:
        show(report, Console())
    if not report.ok:
        raise typer.Exit(1)
