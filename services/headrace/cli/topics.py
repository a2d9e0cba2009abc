"""`headrace topics` and `headrace migrate`: what must be there before a service starts."""

from typing import Annotated

import typer

from headrace.cli.options import SHIPPED, AppPath, AsJson, load_app, print_json
from headrace.kafka.clients import admin_client
from headrace.kafka.topics import create_topics, refuse_other_topics
from headrace.kernel.errors import Misconfigured
from headrace.settings import read_settings

app = typer.Typer(help="The topics of the app's aggregates.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def create(
    app_path: AppPath = SHIPPED,
    as_json: AsJson = False,
    config: Annotated[list[str] | None, typer.Option(help="Override a topic setting: name=value.")] = None,
) -> None:
    """Create the topics that are missing; those that exist stay as they are."""
    overrides = dict(_setting(text) for text in config or [])
    settings = read_settings()
    created = create_topics(admin_client(settings), load_app(app_path), settings, overrides)
    if as_json:
        print_json({"created": created, "partitions": settings.partitions})
    else:
        typer.echo(f"created {', '.join(created)}" if created else "all topics are there")


@app.command()
def check(app_path: AppPath = SHIPPED) -> None:
    """Compare the topics with what they must be."""
    settings = read_settings()
    listed = load_app(app_path)
    refuse_other_topics(admin_client(settings), (*listed.aggregates, *listed.reactors), settings)
    typer.echo("all topics are as they must be")


def migrate(app_path: AppPath = SHIPPED, as_json: AsJson = False) -> None:
    """Bring the database to this version's tables, and create the views' tables."""
    from headrace.postgres.schema import migrate as run  # noqa: PLC0415 - SQLAlchemy is slow to import

    done = run(load_app(app_path), read_settings())
    if as_json:
        print_json({"done": done})
    else:
        typer.echo("\n".join(done) or "the database is up to date")


def _setting(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise Misconfigured(f"--config {text!r}: write name=value")
    return name, value
