"""What several commands take: the app, and how to print for programs."""

import importlib
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from confluent_kafka import KafkaException

from headrace.kafka.ladder import hint_of
from headrace.kernel.app import App
from headrace.kernel.errors import Fault, Misconfigured

if TYPE_CHECKING:
    import psycopg

AppPath = Annotated[str, typer.Option("--app", help="The application, as module:attribute.", envvar="HEADRACE_APP")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
SHIPPED = "headrace.app:app"
HARMLESS = "\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
"""What is not printable to Python, and yet in ordinary texts."""
WIDE = 4_000  # a key has 200 characters at most, a reason 1,000


def load_app(path: str) -> App:
    """The `App` that `module:attribute` names, as uvicorn and Faust take it."""
    module_name, _, attribute = path.partition(":")
    if not module_name or not attribute:
        raise Misconfigured(f"--app {path!r}: write module:attribute, for example {SHIPPED}")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # a script's own path has its folder, and not the one that it is called in
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise Misconfigured(f"--app {path!r}: {error}; is its folder on PYTHONPATH?") from error
    except Misconfigured:
        raise  # an app that is not sound says why
    except (Exception, SystemExit) as error:  # whatever the module does as it is imported
        raise Misconfigured(f"--app {path!r}: {_what_broke(error)}") from error
    app = getattr(module, attribute, None)
    if not isinstance(app, App):
        raise Misconfigured(f"--app {path!r}: {attribute!r} of {module_name} is not an App")
    return app


def _what_broke(error: BaseException) -> str:
    """An error of somebody's module, with its place there."""
    said = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if isinstance(error, SyntaxError):
        return said  # its words have the place
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{said} in {last.filename}, line {last.lineno}"


def print_json(value: Any) -> None:
    """One JSON value on one line of standard output."""
    typer.echo(encode_json(value))


def encode_json(value: Any) -> str:
    """One JSON value on one line; what JSON has no form of, as text."""
    return msgspec.json.encode(value, enc_hook=str).decode()


def plain(text: str) -> str:
    """What others have written, on one line, with escapes for all that a terminal would obey or not show."""
    return "".join(
        char if char.isprintable() or char in HARMLESS else char.encode("unicode_escape").decode() for char in text
    )


def print_table(columns: tuple[str, ...], rows: list[list[Any]]) -> None:
    """On a terminal what is too long goes on in the next line; elsewhere a row is a line, since keys are copied."""
    from rich.console import Console  # noqa: PLC0415 - see `postgres_errors`
    from rich.table import Table  # noqa: PLC0415

    if not rows:
        return
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = WIDE
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(plain(str(value)) for value in row))
    console.print(table)


def postgres_errors() -> "tuple[type[psycopg.Error], ...]":
    """The class of all errors of Postgres's client, once that is imported: a handler starts without it, sooner."""
    loaded = sys.modules.get("psycopg")
    return (loaded.Error,) if loaded else ()


def expected_errors() -> tuple[type[Exception], ...]:
    """What ends a command with a line that says what is wrong; any other exception is our fault."""
    return (Fault, KafkaException, *postgres_errors())


def in_one_line(error: Exception) -> str:
    """What went wrong, without Postgres's DETAIL and HINT, which may quote a row."""
    if isinstance(error, postgres_errors()):
        return f"Postgres: {error.diag.message_primary or ' '.join(str(error).split())}"
    if isinstance(error, KafkaException):
        return f"Kafka: {' '.join(error.args[0].str().split())}{hint_of(error.args[0])}"
    return str(error)
