"""`headrace projector-parked`: what projectors have set aside, and what becomes of it."""

from typing import Annotated

import typer
from msgspec import structs

from headrace.cli.options import SHIPPED, AppPath, AsJson, load_app, print_json
from headrace.kernel.errors import Misconfigured
from headrace.settings import read_settings

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

ViewName = Annotated[str, typer.Argument(help="A view of the app.")]
Key = Annotated[str, typer.Argument(help="The id of the aggregate whose events are parked.")]


@app.command(name="list")
def list_keys(view: ViewName, app_path: AppPath = SHIPPED, as_json: AsJson = False) -> None:
    """List the parked keys: how many events wait, since when, and why."""
    from headrace.postgres.session import Session  # noqa: PLC0415
    from headrace.projector.parked import list_parked  # noqa: PLC0415

    with Session(read_settings(), "headrace parked").connection as connection:
        found = list_parked(connection, load_app(app_path).view(view))
    if as_json:
        print_json([structs.asdict(key) for key in found])
    for key in found if not as_json else ():
        typer.echo(
            f"{key.aggregate_id}  {key.events} events from {key.topic}[{key.partition}] offset {key.first_offset} on, "
            f"since {key.parked_at:%Y-%m-%d %H:%M:%S}: {key.reason or 'waiting'}"
        )
    if not found and not as_json:
        typer.echo("nothing is parked")


@app.command()
def show(view: ViewName, key: Key, app_path: AppPath = SHIPPED, as_json: AsJson = False) -> None:
    """Show the events of a parked key, in order; --json adds the records' bytes."""
    from headrace.postgres.session import Session  # noqa: PLC0415
    from headrace.projector.parked import show_parked  # noqa: PLC0415

    with Session(read_settings(), "headrace parked").connection as connection:
        events = show_parked(connection, load_app(app_path).view(view), key)
    if as_json:
        print_json([structs.asdict(event) for event in events])
        return
    for event in events:
        why = f"{event.reason_class}: {event.reason}" if event.reason_class else "waits behind another"
        typer.echo(f"{event.at_topic}[{event.at_partition}] offset {event.at_offset}, {len(event.frame)} bytes: {why}")


@app.command()
def redrive(
    view: ViewName,
    key: Annotated[str, typer.Argument(help="The id of the aggregate; left out with --all.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every parked key, each by itself.")] = False,
    app_path: AppPath = SHIPPED,
) -> None:
    """Apply a key's parked events in order, by the view's code as it is here, and free the key; or change nothing."""
    from headrace.postgres.session import Session  # noqa: PLC0415
    from headrace.projector import parked  # noqa: PLC0415

    if bool(key) == everything:
        raise Misconfigured("name one key, or --all")
    loaded, settings = load_app(app_path), read_settings()
    chosen = loaded.view(view)
    with Session(settings, "headrace parked").connection as connection:
        keys = [key] if key else sorted({found.aggregate_id for found in parked.list_parked(connection, chosen)})
        connection.commit()
        for name in keys:
            count = parked.redrive(connection, loaded, chosen, settings, name)
            typer.echo(f"{name}: {count} events applied")


@app.command()
def discard(
    view: ViewName,
    key: Key,
    reason: Annotated[str, typer.Option(help="Why; it is kept.")],
    everything: Annotated[bool, typer.Option("--all", help="All events of the key, not only the oldest.")] = False,
    app_path: AppPath = SHIPPED,
) -> None:
    """Give up the oldest parked event of a key, for a reason that is kept; the view lacks it for good."""
    from headrace.postgres.session import Session  # noqa: PLC0415
    from headrace.projector import parked  # noqa: PLC0415

    chosen = load_app(app_path).view(view)
    with Session(read_settings(), "headrace parked").connection as connection:
        count = parked.discard(connection, chosen, key, reason, everything=everything)
        left = sum(found.events for found in parked.list_parked(connection, chosen) if found.aggregate_id == key)
    typer.echo(f"{key}: {count} events discarded, {left} left{': redrive them' if left else ''}")
