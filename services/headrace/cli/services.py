"""`headrace handle`, `headrace react`, `headrace project` and `headrace watch`: the services."""

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Annotated, Final, Protocol

import typer
from structlog import get_logger

from headrace.cli.options import SHIPPED, AppPath, expected_errors, load_app
from headrace.collector import collect_seldom
from headrace.kernel.errors import Fault
from headrace.observe.health import Health
from headrace.observe.logs import configure_logs, frames_of
from headrace.observe.server import served
from headrace.observe.watchdog import Watchdog
from headrace.settings import Settings, read_settings

Slot = Annotated[str, typer.Option(help="This process's place; one process a slot.", envvar="HEADRACE_SLOT")]

TURN_S: Final = 0.0005

log = get_logger("headrace")


class Service(Protocol):
    """What runs until it is told to stop."""

    stopping: bool

    def run(self) -> None:
        """Run; raises a `Fault` when only a restart helps."""


def handle(
    aggregate: Annotated[str, typer.Argument(help="The aggregate whose commands are answered.")],
    slot: Slot = "0",
    app_path: AppPath = SHIPPED,
) -> None:
    """Answer the commands of an aggregate, exactly once."""
    from headrace.handler.loop import open_handler  # noqa: PLC0415

    _run(
        f"handle {aggregate}",
        lambda settings, health: open_handler(load_app(app_path), aggregate, slot, settings, health),
    )


def react(
    reactor: Annotated[str, typer.Argument(help="A reactor of the app.")],
    slot: Slot = "0",
    app_path: AppPath = SHIPPED,
) -> None:
    """Send the commands that follow from events and outcomes, exactly once."""
    from headrace.reactor.loop import open_reactor  # noqa: PLC0415

    _run(f"react {reactor}", lambda settings, health: open_reactor(load_app(app_path), reactor, slot, settings, health))


def project(
    view: Annotated[str, typer.Argument(help="A view of the app, or journal, or audit.")], app_path: AppPath = SHIPPED
) -> None:
    """Turn events into the rows of one view, or copy them into the journal, or keep all outcomes in the audit."""
    from headrace.projector.loop import Projector  # noqa: PLC0415

    # Two threads take turns: at Python's 5 ms an answer of Postgres would wait for as long as a batch takes to fold.
    sys.setswitchinterval(TURN_S)
    _run(f"project {view}", lambda settings, health: Projector(load_app(app_path), view, settings, health))


def watch(app_path: AppPath = SHIPPED) -> None:
    """Show what no service sees of itself on METRICS_PORT: brokers, topics, groups without members, Postgres."""
    from headrace.watch.loop import Watch  # noqa: PLC0415

    def make(settings: Settings, health: Health) -> Watch:
        _ = settings.kafka, settings.database  # it waits for servers that do not answer, and for no address
        return Watch(load_app(app_path), settings, health)

    _run("watch", make)


def _run(name: str, make: Callable[[Settings, Health], Service]) -> None:
    """Run a service that can be looked at from before it reaches its servers until after it has closed."""
    settings = read_settings()
    configure_logs(settings, name)
    health = Health(settings.profile)
    with served(settings, health), Watchdog(health):
        try:
            service = make(settings, health)
            _stop_on_signals(service, health)
            collect_seldom()
            service.run()
        except expected_errors():
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told without its words
            # A traceback would end with the exception's own words, which may quote a record.
            log.critical("ended by an unexpected error", error=type(error).__name__, where=frames_of(error))
            raise Fault(f"ended by an unexpected {type(error).__name__}; the log says where") from None
    log.info("stopped")


def _stop_on_signals(service: Service, health: Health) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        # Only flags: whatever the loop is in the middle of, it finishes, a log line too. A later one changes nothing,
        # even in the interpreter's last moments, when a handler of ours would no longer be there to take it.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        service.stopping = True
        health.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
