"""`headrace handle` and `headrace project`: the services."""

import signal
from types import FrameType
from typing import Annotated, Protocol

import typer
from structlog import get_logger

from headrace.cli.options import SHIPPED, AppPath, load_app
from headrace.collector import collect_seldom
from headrace.observe.logs import configure_logs
from headrace.settings import read_settings

log = get_logger("headrace")


class Service(Protocol):
    """What runs until it is told to stop."""

    stopping: bool

    def run(self) -> None:
        """Run; raises a `Fault` when only a restart helps."""


def handle(
    aggregate: Annotated[str, typer.Argument(help="The aggregate whose commands are answered.")],
    slot: Annotated[str, typer.Option(help="This process's place; one process a slot.", envvar="HEADRACE_SLOT")] = "0",
    app_path: AppPath = SHIPPED,
) -> None:
    """Answer the commands of an aggregate, exactly once."""
    from headrace.handler.loop import Handler  # noqa: PLC0415

    settings = read_settings()
    configure_logs(settings)
    _run(Handler(load_app(app_path), aggregate, slot, settings))


def project(
    view: Annotated[str, typer.Argument(help="A view of the app, or journal.")], app_path: AppPath = SHIPPED
) -> None:
    """Turn events into the rows of one view, or copy them into the journal."""
    from headrace.projector.loop import Projector  # noqa: PLC0415

    settings = read_settings()
    configure_logs(settings)
    _run(Projector(load_app(app_path), view, settings))


def _run(service: Service) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        # Only a flag: whatever the loop is in the middle of, it finishes, a log line too.
        service.stopping = True

    collect_seldom()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    service.run()
    log.info("stopped")
