"""`headrace views`: the versions of views, which of them readers see, and how a new one takes an old one's place."""

import time
from typing import Annotated, Final

import typer
from msgspec import to_builtins

from headrace.cli.options import SHIPPED, AppPath, AsJson, load_app, print_json, print_table
from headrace.kafka.clients import admin_client
from headrace.kernel.errors import Fault, Misconfigured
from headrace.settings import read_settings

app = typer.Typer(help="Versions of views, and which of them readers see.", no_args_is_help=True, rich_markup_mode=None)

POLL_S: Final = 0.2


@app.command(name="list")
def list_versions(app_path: AppPath = SHIPPED, as_json: AsJson = False) -> None:
    """List each view's versions that have a table: the app's, the one readers see, and how far it is filled.

    It is behind by so many offsets where another projector of its topics is further, the journal's for one. Whether
    that has read all that there is, `headrace doctor` says.
    """
    from headrace.postgres.connection import connect  # noqa: PLC0415 - see `postgres_errors`
    from headrace.postgres.versions import versions_of  # noqa: PLC0415

    with connect(read_settings(), "headrace views") as connection:
        found = [version for view in load_app(app_path).views for version in versions_of(connection, view)]
    if as_json:
        print_json([to_builtins(version) for version in found])
        return
    marks = {True: "yes", False: ""}
    rows = [
        [
            it.view,
            it.version,
            marks[it.is_of_app],
            marks[it.is_seen],
            it.behind if it.has_read else "nothing read",
            it.parked,
        ]
        for it in found
    ]
    print_table(("view", "version", "of the app", "seen", "behind", "parked"), rows)


@app.command()
def switch(
    name: Annotated[str, typer.Argument(help="A view of the app.", metavar="VIEW")],
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for what is still behind.")] = 60,
    parked: Annotated[bool, typer.Option("--parked", help="Also while events wait in the new version.")] = False,
    app_path: AppPath = SHIPPED,
) -> None:
    """Have readers see the app's version of a view, once that is filled as far as the one they see."""
    from headrace.postgres.connection import connect  # noqa: PLC0415 - see `postgres_errors`
    from headrace.postgres.schema import refuse_unmigrated  # noqa: PLC0415
    from headrace.postgres.versions import switch as switch_to  # noqa: PLC0415
    from headrace.postgres.versions import versions_of  # noqa: PLC0415

    view = load_app(app_path).view(name)
    deadline = time.monotonic() + wait
    with connect(read_settings(), "headrace views", autocommit=True) as connection:
        refuse_unmigrated(connection, (view,))
        while True:
            ours = next(version for version in versions_of(connection, view) if version.is_of_app)
            if ours.is_seen:
                typer.echo(f"readers see version {view.version} of {name} already")
                return
            if not ours.behind_seen:
                break
            if time.monotonic() > deadline:
                raise Fault(
                    f"version {view.version} of {name} is {ours.behind_seen} offsets behind the one that readers see: "
                    f"does `headrace project {name}` run?"
                )
            time.sleep(POLL_S)
        if ours.parked and not parked:
            raise Misconfigured(
                f"{ours.parked} events wait in version {view.version} of {name}: see to them (`headrace parked list "
                f"--projector {name}`), or switch all the same with --parked"
            )
        switch_to(connection, view)
    typer.echo(f"readers see version {view.version} of {name}")


@app.command()
def drop(
    name: Annotated[str, typer.Argument(help="A view of the app.", metavar="VIEW")],
    version: Annotated[int, typer.Argument(help="The version that nobody needs any more.")],
    app_path: AppPath = SHIPPED,
) -> None:
    """Remove an older version's table, and what its projector has noted; refused while that projector runs."""
    from headrace.postgres.connection import connect  # noqa: PLC0415 - see `postgres_errors`
    from headrace.postgres.versions import drop as remove  # noqa: PLC0415
    from headrace.projector.rights import group_of  # noqa: PLC0415
    from headrace.watch.brokers import read_groups  # noqa: PLC0415

    settings, view = read_settings(), load_app(app_path).view(name)
    group = group_of(f"{name}_v{version}")
    found, unknown = read_groups(admin_client(settings), {group: []}, settings.partitions)
    if unknown:
        raise Fault(
            f"the brokers do not tell whether a projector of version {version} of {name} runs: {unknown[group]}"
        )
    if found[group].members:
        raise Misconfigured(f"a projector of version {version} of {name} runs: stop it first")
    with connect(settings, "headrace views", autocommit=True) as connection:
        remove(connection, view, version)
    typer.echo(f"version {version} of {name} is removed")
