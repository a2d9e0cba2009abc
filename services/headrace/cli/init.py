"""`headrace init`: all that must be there before a service starts, in one command that may be repeated."""

import time
from collections.abc import Callable
from typing import Annotated, Final, TypeVar

import typer
from confluent_kafka.admin import AdminClient

from headrace.avro.agreement import mismatches
from headrace.avro.contract import read_lock
from headrace.cli.options import SHIPPED, AppPath, AsJson, load_app, print_json
from headrace.cli.schemas import as_line, register_all
from headrace.kafka.clients import admin_client
from headrace.kafka.topics import REPLICAS, TIMEOUT_S, create_topics, refuse_other_topics
from headrace.kernel.app import App
from headrace.kernel.errors import Fault, Misconfigured
from headrace.postgres.connection import connect
from headrace.settings import Settings, read_settings

PAUSE_S: Final = 0.5

T = TypeVar("T")


def init(
    app_path: AppPath = SHIPPED,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for servers, all together.")] = 120,
    as_json: AsJson = False,
) -> None:
    """Wait for Kafka and Postgres, then create the topics that are missing and bring the database to this version.

    With SCHEMA_REGISTRY_URL it registers the schemas, too, as `headrace schemas register` does.
    Once done, doing it again changes nothing; several may do it at once. Topics that are not as they must be are
    refused, as `headrace topics check` does.
    """
    from headrace.postgres.schema import migrate  # noqa: PLC0415 - SQLAlchemy is slow to import

    app, settings = load_app(app_path), read_settings()
    _refuse_other_schemas(app_path, app, settings)
    deadline = time.monotonic() + wait
    admin = _once_there(lambda: _admin_of_enough_brokers(settings), deadline)
    _once_there(lambda: connect(settings, "headrace init").close(), deadline)
    created = create_topics(admin, app, settings)
    refuse_other_topics(admin, (*app.aggregates, *app.reactors), settings)
    migrated = migrate(app, settings)
    schemas = register_all(app, settings, max(0.0, deadline - time.monotonic())) if settings.registry else None
    if as_json:
        done = {"created": created, "migrated": migrated}
        print_json(done | {"registered": schemas.subjects} if schemas else done)
        return
    typer.echo(f"created {', '.join(created)}" if created else "all topics are there")
    typer.echo("\n".join(migrated) or "the database is up to date")
    if schemas:
        typer.echo(as_line(schemas))


def _refuse_other_schemas(app_path: str, app: App, settings: Settings) -> None:
    """Before there are topics and tables of an app that nobody meant: its services would not start by these schemas."""
    problems = list(mismatches(app, read_lock(settings.schemas)))
    if problems:
        more = f" (and {len(problems) - 1} more)" if problems[1:] else ""
        raise Misconfigured(
            f"the schemas in {settings.schemas} are not those of {app_path}: {problems[0]}{more}; if another app is "
            f"meant, name it with --app or HEADRACE_APP"
        )


def _once_there(ask: Callable[[], T], deadline: float) -> T:
    """What `ask` returns once it raises no `Fault`; each new reason is told, the last one raised at the deadline."""
    told = ""
    while True:
        try:
            return ask()
        except Misconfigured:
            raise
        except Fault as fault:
            if time.monotonic() > deadline:
                raise
            if (reason := str(fault)) != told:
                typer.echo(f"headrace: waiting: {reason}", err=True)
                told = reason
        time.sleep(PAUSE_S)


def _admin_of_enough_brokers(settings: Settings) -> AdminClient:
    """A client, once there are as many brokers as the profile's replicas; until then a `Fault`."""
    admin = admin_client(settings)
    brokers = len(admin.list_topics(timeout=TIMEOUT_S).brokers)
    if brokers < (needed := REPLICAS[settings.profile]):
        raise Fault(
            f"{brokers} of the {needed} brokers that the {settings.profile} profile needs are up"
            f"{': set HEADRACE_PROFILE=local for a single broker' if brokers == 1 else ''}"
        )
    return admin
