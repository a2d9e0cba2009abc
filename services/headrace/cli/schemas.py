"""`headrace schemas`: from part files to locked contracts."""

from collections.abc import Callable
from difflib import get_close_matches
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from headrace.avro.agreement import disagreements
from headrace.avro.contract import LOCK_FILE, Catalogue, Contract, read_lock, write_lock
from headrace.avro.generated import generated_source
from headrace.avro.lock import changed_afterwards, problems_with, read_parts
from headrace.avro.lock import lock as lock_parts
from headrace.avro.registering import Registered, registered
from headrace.cli.options import SHIPPED, AppPath, AsJson, load_app, print_json
from headrace.kernel.app import App
from headrace.kernel.errors import Fault, Misconfigured
from headrace.settings import Settings, read_settings

app = typer.Typer(help="The contracts that records are written by.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def lock(app_path: AppPath = SHIPPED) -> None:
    """Compose the newest parts, give what is new its id, and write the lock file."""
    folder = read_settings().schemas
    before = read_lock(folder) if (folder / LOCK_FILE).exists() else Catalogue([])
    parts = read_parts(folder)
    _refuse(app_path, changed_afterwards(parts, before))
    after = lock_parts(parts, before)
    _refuse(app_path, _unsound(app_path, after))
    write_lock(folder, after)
    typer.echo(f"{len(after.contracts)} contracts locked, {len(after.contracts) - len(before.contracts)} of them new")


@app.command()
def check(app_path: AppPath = SHIPPED) -> None:
    """Check parts, lock file and message classes against each other, and every version against every other."""
    folder = read_settings().schemas
    locked = read_lock(folder)
    _refuse(app_path, [*problems_with(read_parts(folder), locked), *_unsound(app_path, locked)])
    typer.echo(f"{len(locked.contracts)} contracts are sound")


@app.command()
def register(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the registry.")] = 60,
    app_path: AppPath = SHIPPED,
    as_json: AsJson = False,
) -> None:
    """Register the app's schemas with the registry of SCHEMA_REGISTRY_URL, all versions of each under its subjects.

    Their compatibility is set to FULL_TRANSITIVE. Once done, doing it again changes nothing. Exit code 1 when the
    registry refuses one; the others are registered all the same.
    """
    done = register_all(load_app(app_path), read_settings(), wait)
    print_json(done) if as_json else typer.echo(as_line(done))


def register_all(app: App, settings: Settings, wait: float) -> Registered:
    """Register the app's schemas; `Fault` names each that the registry refuses, the others are registered."""
    done = registered(app, read_lock(settings.schemas), settings, wait, _say_once())
    if done.refused:
        raise Fault("\n  ".join(["the schema registry refuses schemas:", *done.refused]))
    return done


def as_line(done: Registered) -> str:
    """What was done, for people."""
    new = [subject for subject in done.subjects if subject.new]
    return f"{len(done.subjects)} schemas are registered, {len(new)} of them new"


@app.command()
def show(
    name: Annotated[str | None, typer.Argument(help="A record's name; without it, a list.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the locked contracts, or print one record's newest composed schema."""
    catalogue = read_lock(read_settings().schemas)
    if name is None:
        if as_json:
            print_json(catalogue.contracts)
            return
        table = Table("id", "domain", "record", "kind", "versions")
        for contract in catalogue.contracts:
            versions = " ".join(f"{part} v{version}" for part, version in contract.versions.items())
            table.add_row(str(contract.id), contract.domain, contract.name, contract.kind, versions)
        Console().print(table)
        return
    for contract in _called(name, catalogue):
        print_json(contract.schema) if as_json else Console().print_json(data=contract.schema)


@app.command()
def codec(name: Annotated[str, typer.Argument(help="A record's name.")], app_path: AppPath = SHIPPED) -> None:
    """Print the Python that is generated to write and to read a record, as it is compiled when a service starts."""
    catalogue = read_lock(read_settings().schemas)
    for contract in _called(name, catalogue):
        typer.echo(generated_source(load_app(app_path), catalogue, contract).rstrip())


def _say_once() -> Callable[[str], None]:
    """Tells each reason to wait once."""
    told: set[str] = set()

    def say(why: str) -> None:
        if why not in told:
            typer.echo(f"headrace: waiting: {why}", err=True)
            told.add(why)

    return say


def _called(name: str, catalogue: Catalogue) -> list[Contract]:
    """The newest contracts of that name; `Misconfigured` names those that it may have meant."""
    found = [contract for contract in catalogue.newest.values() if name in (contract.name, contract.record)]
    if not found:
        near = get_close_matches(name, [contract.name for contract in catalogue.newest.values()])
        hint = f"did you mean {' or '.join(near)}?" if near else "`headrace schemas show` lists them"
        raise Misconfigured(f"no record is called {name!r}: {hint}")
    return found


def _unsound(app_path: str, catalogue: Catalogue) -> list[str]:
    try:
        from headrace.avro.lint import incompatibilities, lint  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Misconfigured(f"{error.name} is missing: pip install 'headrace[schemas]'") from error
    # What is no sound schema by itself cannot be compared with others, nor with a class.
    return [problem for contract in catalogue.newest.values() for problem in lint(contract)] or [
        *incompatibilities(catalogue),
        *disagreements(load_app(app_path), catalogue),
    ]


def _refuse(app_path: str, problems: list[str]) -> None:
    if problems:
        said = f"the schemas are not sound for {app_path} (--app or HEADRACE_APP names another):"
        raise Misconfigured("\n  ".join([said, *problems]))
