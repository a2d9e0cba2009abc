"""What happens to services: killed, stopped, fenced, told to go; each fault heals at the end of its `with`."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import KafkaException, Producer

from headrace.kafka.clients import producer_config
from headrace.local.process import frozen, until
from headrace_load.chaos.cast import Cast
from headrace_load.chaos.schedule import HANDLERS, PROJECTORS, Planned
from headrace_load.demo.stage import DOMAIN

STORM_EVERY_S: Final = 2.0
HIJACK_EVERY_S: Final = 1.0
REACHED_S: Final = 8.0
SCALED: Final = tuple(f"handler-{number}" for number in range(4, 9))
"""With the three that are always there, eight."""


@contextmanager
def repeatedly(every_s: float, act: Callable[[], None]) -> Iterator[None]:
    """Do something again and again, in another thread, until the `with` ends; what it raises is raised there."""
    over = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            while not over.wait(every_s):
                act()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the run must not go on without it
            failed.append(error)

    thread = threading.Thread(target=run, name="fault")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if failed:
        raise failed[0]


@contextmanager
def kill(cast: Cast, fault: Planned) -> Iterator[None]:
    """The supervisor starts another at once."""
    cast.signal(fault.target, signal.SIGKILL)
    yield


@contextmanager
def kill_for_a_while(cast: Cast, fault: Planned) -> Iterator[None]:
    """Long enough for the peers to take over, with or without waiting for its transaction."""
    cast.kill_off(fault.target)
    yield
    cast.start(fault.target)


@contextmanager
def armed(cast: Cast, fault: Planned) -> Iterator[None]:
    """The service is started again with a failpoint, and without it afterwards."""
    cast.stop(fault.target)
    cast.start(fault.target, failpoint=fault.detail)
    yield
    cast.kill_off(fault.target)
    cast.start(fault.target)


@contextmanager
def zombie_at_a_step(cast: Cast, fault: Planned) -> Iterator[None]:
    """It stops amid its transaction, and comes back after a peer has taken over; then it may live on, or not."""
    cast.stop(fault.target)
    cast.start(fault.target, failpoint=fault.detail)
    until(lambda: (pid := cast.stage.services.pid(fault.target)) is not None and frozen(pid), REACHED_S)
    yield
    cast.signal(fault.target, signal.SIGCONT)


@contextmanager
def paused(cast: Cast, fault: Planned) -> Iterator[None]:
    """It stops wherever it is, and goes on as if no time had passed."""
    cast.signal(fault.target, signal.SIGSTOP)
    yield
    cast.signal(fault.target, signal.SIGCONT)


@contextmanager
def hijack(cast: Cast, fault: Planned) -> Iterator[None]:
    """Somebody else takes the handler's transactional id, again and again."""
    transactional_id = f"headrace.handle.{DOMAIN}.{fault.target.rpartition('-')[2]}"

    def take() -> None:
        producer = Producer(
            producer_config(cast.stage.settings, transactional_id) | {"error_cb": lambda _: None, "log_level": 0}
        )
        try:
            producer.init_transactions(5)
        except KafkaException:
            return  # the handler was quicker, or the broker is away

    with repeatedly(HIJACK_EVERY_S, take):
        yield


@contextmanager
def storm(cast: Cast, _: Planned) -> Iterator[None]:
    """One more member comes and goes every two seconds."""
    guest = SCALED[0]

    def turn() -> None:
        if guest in cast.playing:
            cast.stop(guest)
        else:
            cast.start(guest)

    with repeatedly(STORM_EVERY_S, turn):
        yield
    if guest in cast.playing:
        cast.stop(guest)


@contextmanager
def scale(cast: Cast, _: Planned) -> Iterator[None]:
    """From three to eight, to one, to three."""
    for name in SCALED:
        cast.start(name)
    yield
    cast.stop(*SCALED, *HANDLERS[1:])
    for name in HANDLERS[1:]:
        cast.start(name)


@contextmanager
def rollout(cast: Cast, fault: Planned) -> Iterator[None]:
    """Each is told to stop, one after the other, and a new one takes its place."""
    for name in HANDLERS if fault.target == "handlers" else PROJECTORS:
        if fault.detail:
            cast.signal(name, signal.SIGTERM)
        cast.stop(name)
        cast.start(name)
    yield
