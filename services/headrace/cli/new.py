"""`headrace new`: something that works, to begin from."""

from pathlib import Path
from typing import Annotated

import typer

from headrace.scaffold.domain import singular_of, write_domain

app = typer.Typer(help="Something that works, to begin from.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def new() -> None:
    """Something that works, to begin from."""


@app.command()
def domain(
    name: Annotated[str, typer.Argument(help="The domain, such as tickets: its topics and its package are named so.")],
    singular: Annotated[str, typer.Option(help="One of them, such as ticket; derived from NAME unless told.")] = "",
    folder: Annotated[Path, typer.Option("--folder", "-d", help="Where the project is.")] = Path(),
) -> None:
    """Write a domain that works: package, schemas, a view and tests, to be changed into what you need."""
    for path in write_domain(name, singular or singular_of(name), folder):
        typer.echo(path)
    typer.echo(
        f"\nnow, in {folder.resolve()}:\n"
        f"  headrace schemas lock --app {name}.app:app      gives each record its id; after each change of a schema\n"
        f"  python -m pytest tests/test_{name}.py\n"
        f"  headrace local up                               Kafka and Postgres; it prints the settings to export\n"
        f"  headrace init --app {name}.app:app              topics and tables\n"
        f"  headrace run --app {name}.app:app               its services, until Ctrl-C"
    )
