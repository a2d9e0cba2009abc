"""`python -m headrace_load.bank SCENARIO`: a bank on servers and services of its own, under load, verified."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace
from rich.console import Console

from headrace.cli.options import in_one_line
from headrace.kernel.errors import Fault, Misconfigured
from headrace.local import LocalServerError
from headrace_load.bank.run import Bank, Found
from headrace_load.bank.scenario import BankScenario, read
from headrace_load.bank.stage import BankStage
from headrace_load.verify.show import show

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="hot, day, or a .toml file.")] = "hot",
    accounts: Annotated[int | None, typer.Option(help="Instead of the scenario's.")] = None,
    transfers: Annotated[int | None, typer.Option(help="Instead of the scenario's.")] = None,
    rate: Annotated[float | None, typer.Option(help="Requests a second; 0 is as fast as it goes.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed.")] = None,
    replicas: Annotated[int, typer.Option(min=1, help="Processes of each service.")] = 1,
    harm: Annotated[
        bool, typer.Option("--harm", help="Kill, freeze and end services at random while transfers are asked for.")
    ] = False,
    forge: Annotated[
        bool, typer.Option("--forge", help="In the end, forge the history, and see whether the audit names each row.")
    ] = False,
    schemas: Annotated[Path, typer.Option(envvar="HEADRACE_SCHEMAS", help="The folder of ids.json.")] = Path("schemas"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Open accounts, transfer, wait for rest, verify; exit code 1 when a check failed, 2 when it could not be tried."""
    console = Console(stderr=as_json, highlight=False)
    said = {"accounts": accounts, "transfers": transfers, "rate": rate, "seed": seed}
    try:
        asked = replace(read(scenario), **{name: value for name, value in said.items() if value is not None})
        stage = BankStage(Path(tempfile.mkdtemp(prefix="headrace-bank-")), schemas, replicas)
        found = _play(stage, asked, console, harm=harm, forge=forge)
    except (Misconfigured, LocalServerError) as error:
        console.print(f"headrace: {error}", soft_wrap=True, markup=False)
        sys.exit(2)
    except Fault as error:
        console.print(f"headrace: {in_one_line(error)}", soft_wrap=True, markup=False)
        sys.exit(1)
    if as_json:
        typer.echo(json.dumps(found.as_json(), default=str))
    else:
        show(found.report, console)
        shown = {name: value for name, value in found.as_json().items() if name != "report"}
        console.print_json(json.dumps(shown, default=str))
    sys.exit(not found.ok)


def _play(stage: BankStage, scenario: BankScenario, console: Console, *, harm: bool, forge: bool) -> Found:
    console.print(f"[dim]{stage.folder}: {scenario.description}[/dim]", soft_wrap=True)
    with stage:
        stage.prepare()
        names = stage.start_services()
        console.print(f"[dim]{len(names)} services have their partitions[/dim]")
        bank = Bank(stage, scenario, lambda text: console.print(f"[dim]{stage.seconds:6.1f} s  {text}[/dim]"))
        found = bank.run(names, harm=harm, forge=forge)
        stage.failed = not found.ok
    return found


if __name__ == "__main__":
    app()
