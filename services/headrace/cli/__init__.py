"""The `headrace` command.

Exit codes: 0 done; 1 something failed (a server is down, a check found something, a command was refused);
2 the call or the configuration is wrong, and the line says what to change.
"""

import os
import signal
import sys
from types import FrameType

import psycopg
import typer
from confluent_kafka import KafkaError, KafkaException
from rich.console import Console

from headrace.cli import audit, load, local, new, parked, processes, schemas, topics
from headrace.cli.acls import acls
from headrace.cli.demo import demo
from headrace.cli.doctor import doctor
from headrace.cli.importing import import_files
from headrace.cli.init import init
from headrace.cli.metrics import metrics
from headrace.cli.options import in_one_line
from headrace.cli.sending import send, tail
from headrace.cli.services import handle, project, react, watch
from headrace.cli.topics import migrate
from headrace.cli.verify import verify
from headrace.kernel.errors import Fault, Misconfigured

FAILED = 1
WRONG_USE = 2
TERMINATED = 128 + signal.SIGTERM

app = typer.Typer(
    name="headrace",
    help="Event sourcing on Apache Kafka and PostgreSQL, exactly once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(audit.app, name="audit", help="Who asked what, what came of it, and whether history was rewritten.")
app.add_typer(load.app, name="load", help="Load a running system, measure it, verify it.")
app.add_typer(local.app, name="local", help="Kafka and Postgres as local processes.")
app.add_typer(topics.app, name="topics", help="The topics of the app's aggregates.")
app.add_typer(new.app, name="new", help="Something that works, to begin from.")
app.add_typer(schemas.app, name="schemas", help="The contracts that records are written by.")
app.add_typer(parked.app, name="parked", help="What waits because our code broke on it, and what was no command.")
app.add_typer(processes.app, name="processes", help="What is under way between aggregates.")
for command in (init, migrate, handle, react, project, watch, send, tail, verify, doctor, demo, metrics, acls):
    app.command()(command)
app.command(name="import")(import_files)


def main() -> None:
    """Run the command; a fault is one line on standard error."""
    if os.getpid() == 1:
        # The first process of a container has no default for signals: without one of ours, it would wait to be killed.
        signal.signal(signal.SIGTERM, _end)
    try:
        app()
    except Misconfigured as error:
        _say(error)
        sys.exit(WRONG_USE)
    except (Fault, KafkaException, psycopg.Error) as error:
        _say(error)
        refused = isinstance(error, KafkaException) and error.args[0].code() == KafkaError._INVALID_ARG  # noqa: SLF001
        sys.exit(WRONG_USE if refused else FAILED)  # properties that do not go together


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(TERMINATED)


def _say(error: Exception) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"headrace: {in_one_line(error)}")
