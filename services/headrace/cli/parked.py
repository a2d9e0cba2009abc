"""`headrace parked`: what waits because our code broke on it, what was no command, and what to do about both.

NAME is an aggregate, whose commands handlers have parked in Kafka; with --reactor it is a reactor, whose events and
outcomes lie there too; with --projector it is a view, whose events its projector has parked in Postgres. Each kind
needs its own server only.
"""

import base64
from itertools import chain
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console

from headrace.avro.codec import Codec, Undecodable
from headrace.avro.ids import open_codec
from headrace.cli.options import (
    SHIPPED,
    AppPath,
    AsJson,
    encode_json,
    expected_errors,
    in_one_line,
    load_app,
    plain,
    print_json,
)
from headrace.cli.parked_lists import print_listed
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured
from headrace.settings import Settings, read_settings

app = typer.Typer(
    help="What waits because our code broke on it, and what was no command.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[
    str,
    typer.Argument(help="An aggregate, such as orders; with --reactor or --projector one of those.", metavar="NAME"),
]
Key = Annotated[str, typer.Argument(help="The aggregate's id.", metavar="KEY")]
OfProjector = Annotated[bool, typer.Option("--projector", help="NAME is a view: its projector's parked events.")]
OfReactor = Annotated[bool, typer.Option("--reactor", help="NAME is a reactor: its parked events and outcomes.")]
Actor = Annotated[str | None, typer.Option(help="Who asks; it is kept.")]
Timeout = Annotated[float, typer.Option(min=0, help="Seconds that a handler has for its answer.")]

AGGREGATES = "aggregates"
REACTORS = "reactors"
PROJECTORS = "projectors"
STILL_PARKED = "still parked"


class Shelf(Protocol):
    """What one aggregate's handlers, one reactor's processes or one view's projector have parked."""

    def listed(self) -> dict[str, Any]:
        """The keys that wait, without what their records hold."""

    def keys(self) -> list[str]:
        """The keys that wait."""

    def shown(self, key: str) -> dict[str, Any]:
        """The records that wait for a key, in order, and what was released of it."""

    def redrive(self, key: str, actor: str | None) -> dict[str, Any]:
        """Process a key's records in order: its `result`, and a `message` that tells of it."""

    def discard(self, key: str, reason: str, actor: str | None, *, everything: bool) -> dict[str, Any]:
        """Give a key's records up, likewise."""


@app.command(name="list")
def list_parked(
    name: Annotated[str | None, typer.Argument(help="Without it, all.", metavar="NAME")] = None,
    reactor: OfReactor = False,
    projector: OfProjector = False,
    app_path: AppPath = SHIPPED,
    as_json: AsJson = False,
) -> None:
    """List the keys that are parked and the records that were set aside, without what they hold.

    Without NAME those of all aggregates, reactors and projectors; where one server does not answer, what the other has
    is listed all the same, and the exit code is 1.
    """
    settings, loaded = read_settings(), load_app(app_path)
    found: dict[str, list[dict[str, Any]]] = {}
    broken: dict[str, Exception] = {}
    kinds = _kinds(loaded, name, _kind(reactor=reactor, projector=projector))
    for half, names in kinds.items():
        found[half] = []
        try:
            for each in names:
                found[half].append(_shelf(half, each, loaded, settings).listed())
        except expected_errors() as error:
            broken[half] = error
    if broken and len(broken) == sum(map(bool, kinds.values())):
        raise next(iter(broken.values()))
    missing = {half: in_one_line(error) for half, error in broken.items()}
    if as_json:
        print_json({**found, "not_listed": missing})
    else:
        for listed in chain(*found.values()):
            print_listed(listed)
    for half, why in missing.items():
        typer.echo(f"headrace: the {half} are not listed: {why}", err=True)
    if missing:
        raise typer.Exit(1)


@app.command()
def show(
    name: Name,
    key: Key,
    reactor: OfReactor = False,
    projector: OfProjector = False,
    app_path: AppPath = SHIPPED,
    as_json: AsJson = False,
) -> None:
    """Show the records that wait for one key, in order, with what they hold, and what was released of it before."""
    settings, loaded = read_settings(), load_app(app_path)
    shown = _shelf(_kind(reactor=reactor, projector=projector), name, loaded, settings).shown(key)
    codec = open_codec(loaded, settings)
    for entry in shown["waiting"]:
        entry |= _content(codec, entry.pop("record"))  # noqa: PLW2901 - the entry itself is changed
    print_json(shown) if as_json else Console().print_json(encode_json(shown))


@app.command()
def redrive(
    name: Name,
    key: Annotated[str, typer.Argument(help="The aggregate's id; left out with --all.", metavar="KEY")] = "",
    reactor: OfReactor = False,
    projector: OfProjector = False,
    everything: Annotated[bool, typer.Option("--all", help="Every parked key, each by itself.")] = False,
    actor: Actor = None,
    timeout: Timeout = 30.0,
    app_path: AppPath = SHIPPED,
    as_json: AsJson = False,
) -> None:
    """Process a parked key's records in order, as if nothing had happened: after a fixed version is deployed.

    Commands are answered by the handlers that run; events are applied by the view's code as it is here; a reactor's
    processes redrive by themselves when they are started. Exit code 1 when a key still fails and stays parked.
    """
    if bool(key) == everything:
        raise Misconfigured("name one key, or --all")
    shelf = _shelf(_kind(reactor=reactor, projector=projector), name, load_app(app_path), read_settings(), timeout)
    keys = [key] if key else shelf.keys()
    if not keys and not as_json:
        typer.echo("nothing is parked")
    results = [_tell(shelf.redrive(each, actor), as_json=as_json) for each in keys]
    if STILL_PARKED in results:
        raise typer.Exit(1)


@app.command()
def discard(
    name: Name,
    key: Key,
    reason: Annotated[str, typer.Option(help="Why; it is kept.")],
    reactor: OfReactor = False,
    projector: OfProjector = False,
    everything: Annotated[
        bool, typer.Option("--all", help="With --reactor or --projector: all records of the key, not only the oldest.")
    ] = False,
    actor: Actor = None,
    timeout: Timeout = 30.0,
    app_path: AppPath = SHIPPED,
    as_json: AsJson = False,
) -> None:
    """Give a parked key's records up, for a reason that is kept.

    An aggregate's commands are given up together, and each is refused as Discarded. Of a projector's and a
    reactor's records it is the oldest, the one that the code breaks on: those behind it may be redriven after that.
    """
    if not reason.strip():
        raise Misconfigured("--reason is empty: say why these records may be given up; it is kept")
    shelf = _shelf(_kind(reactor=reactor, projector=projector), name, load_app(app_path), read_settings(), timeout)
    _tell(shelf.discard(key, reason, actor, everything=everything), as_json=as_json)


def _kind(*, reactor: bool, projector: bool) -> str:
    """Whose records are asked for; `Misconfigured` for two at once."""
    if reactor and projector:
        raise Misconfigured("--reactor or --projector, not both: NAME is one of them")
    return REACTORS if reactor else PROJECTORS if projector else AGGREGATES


def _kinds(loaded: App, name: str | None, kind: str) -> dict[str, list[str]]:
    """What is to be listed: all kinds, or the one that is asked for; in full, or one of its names."""
    every = {
        AGGREGATES: [aggregate.name for aggregate in loaded.aggregates],
        REACTORS: [reactor.name for reactor in loaded.reactors],
        PROJECTORS: [view.name for view in loaded.views],
    }
    if name is None and kind == AGGREGATES:
        return every
    return {kind: [name] if name else every[kind]}


def _shelf(kind: str, name: str, loaded: App, settings: Settings, timeout_s: float = 30.0) -> Shelf:
    from headrace.handler.parked import ParkedCommands  # noqa: PLC0415
    from headrace.projector.parked import ParkedEvents  # noqa: PLC0415 - SQLAlchemy is slow to import
    from headrace.reactor.parked import ParkedReactions  # noqa: PLC0415

    if kind == REACTORS:
        return ParkedReactions(loaded, name, settings)
    return (
        ParkedEvents(loaded, name, settings)
        if kind == PROJECTORS
        else ParkedCommands(loaded, name, settings, timeout_s)
    )


def _tell(done: dict[str, Any], *, as_json: bool) -> str:
    """Print what became of a key, what still fails as an error; returns the result."""
    result: str = done["result"]
    if as_json:
        print_json(done)
    elif result == STILL_PARKED:
        typer.echo(f"headrace: {plain(done['message'])}", err=True)
    else:
        typer.echo(plain(done["message"]))
    return result


def _content(codec: Codec, frame: bytes) -> dict[str, Any]:
    """What a record holds; its bytes, in base64, if no schema explains them."""
    try:
        decoded = codec.decode(frame)
    except Undecodable as error:
        return {"undecodable": str(error), "record": base64.b64encode(frame).decode()}
    return {"type": decoded.contract.name, "meta": decoded.meta, "fields": decoded.body}
