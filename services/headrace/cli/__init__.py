"""The `headrace` command.

Exit codes: 0 done; 1 something failed (a server is down, a check found something, a command was refused);
2 the call or the configuration is wrong, and the line says what to change.
"""

import os
import signal
import sys
from types import FrameType

import typer
from confluent_kafka import KafkaError, KafkaException

from headrace.cli.lazily import LazyGroup
from headrace.cli.options import expected_errors, in_one_line
from headrace.kernel.errors import Misconfigured

FAILED = 1
WRONG_USE = 2
TERMINATED = 128 + signal.SIGTERM

app = typer.Typer(
    name="headrace",
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def headrace() -> None:
    """Event sourcing on Apache Kafka and PostgreSQL, exactly once."""


def main() -> None:
    """Run the command; a fault is one line on standard error."""
    if os.getpid() == 1:
        # The first process of a container has no default for signals: without one of ours, it would wait to be killed.
        signal.signal(signal.SIGTERM, _end)
    try:
        _refuse_other_bytes(sys.argv)
        app()
    except Misconfigured as error:
        _say(error)
        sys.exit(WRONG_USE)
    except OSError as error:  # a file or a folder that cannot be read or written
        _say(error)
        sys.exit(FAILED)
    except expected_errors() as error:
        _say(error)
        refused = isinstance(error, KafkaException) and error.args[0].code() == KafkaError._INVALID_ARG  # noqa: SLF001
        sys.exit(WRONG_USE if refused else FAILED)  # properties that do not go together


def _refuse_other_bytes(arguments: list[str]) -> None:
    """Kafka, Postgres and Avro hold UTF-8; Python takes any bytes, those of a file's name among them."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise Misconfigured(f"the argument {argument!r} is not UTF-8") from None


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(TERMINATED)


def _say(error: Exception) -> None:
    from rich.console import Console  # noqa: PLC0415 - a service that ends well has no use for it

    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"headrace: {in_one_line(error)}")
