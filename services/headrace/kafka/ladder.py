"""The error ladder of transactional calls: what each kind of error leaves to be done, in one place.

retriable   the same call again, with the same arguments, until the transaction's deadline
abortable   `Aborted`: nothing of the transaction will be seen; its records are read and processed again
unknown     `Unsettled`: nobody told whether the commit took place; only the group's committed offset can
fatal       `Fault`: fenced, or broken for good: the process ends, and a new one takes its place
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from headrace.kernel.errors import Fault

RETRY_S: Final = 0.01
"""Most calls wait by themselves before they give up; some say at once that it is too early."""


class Aborted(Exception):  # noqa: N818 - a result, and no error: nothing of the transaction will ever be seen
    """The transaction is to be aborted; its records are read again by whoever owns them then."""


class Unsettled(Exception):  # noqa: N818 - a result: it is not known which
    """The commit was not answered in time: it may have taken place or not."""


def climb(
    call: Callable[..., Any], *arguments: Any, seconds: float, late: type[Exception] = Fault, name: str = ""
) -> bool:
    """Make a call until it succeeds; says whether it went through at once.

    A call that needed a second try may have left a late request on its way to the broker, which could end a later
    transaction of the same producer: the caller takes a new one. After `seconds` without success raises `late`.
    """
    deadline = time.monotonic() + seconds
    at_once = True
    while True:
        try:
            call(*arguments)
        except KafkaException as error:
            cause = error.args[0]
            said = f"{name or call.__name__}: {cause.name()}: {cause.str()}{hint_of(cause)}"
            if cause.fatal():
                raise Fault(said) from error
            if cause.txn_requires_abort():
                raise Aborted(said) from error
            if not cause.retriable():
                raise Fault(said) from error
            if time.monotonic() > deadline:
                raise late(said) from error
            at_once = False
            time.sleep(RETRY_S)
        else:
            return at_once


def hint_of(cause: KafkaError) -> str:
    """What to do about an error of librdkafka's, where it does not say that itself."""
    if cause.code() != KafkaError._FENCED:  # noqa: SLF001 - librdkafka's own codes begin so
        return ""
    return ": another process has taken this one's place: if both are to run, give each a --slot of its own"


class Bounded:
    """Makes calls in a thread of its own, so that one which does not keep to its timeout can be left behind."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]] | None] = SimpleQueue()
        Thread(target=self._work, name="bounded-calls", daemon=True).start()

    def call(self, seconds: float, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns or raises; `TimeoutError` after `seconds`: ask nothing more of this one then."""
        done: Future[Any] = Future()
        self._asked.put((done, function, arguments))
        return done.result(seconds)

    def end(self) -> None:
        """End the thread, once a call that was left behind has come back."""
        self._asked.put(None)

    def _work(self) -> None:
        while asked := self._asked.get():
            done, function, arguments = asked
            try:
                done.set_result(function(*arguments))
            except BaseException as error:  # noqa: BLE001 - whatever it is, the caller gets it
                done.set_exception(error)
            # What the call held, a client perhaps, is not kept until the next one.
            del asked, done, function, arguments
