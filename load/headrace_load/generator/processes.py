"""The processes of a run: started, waited for, heard, ended."""

import gc
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, Self

from msgspec import Struct

from headrace.kernel.errors import Fault

READY_S: Final = 60.0
GRACE_S: Final = 5.0
# A new interpreter each: a fork would share the sockets and threads of librdkafka.
SPAWN: Final = multiprocessing.get_context("spawn")


class Broken(Struct, frozen=True):
    """What ended a process, in one line."""

    why: str


class Helper:
    """One process of the run, named, with a pipe to it."""

    def __init__(self, name: str, main: Callable[..., None], *arguments: Any) -> None:
        self.name = name
        self.pipe, theirs = SPAWN.Pipe()
        self._process: BaseProcess = SPAWN.Process(target=_main, args=(main, arguments, theirs), daemon=True)
        # Ctrl-C reaches all processes of a terminal: it is for us to end the others.
        ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._process.start()
        finally:
            signal.signal(signal.SIGINT, ours)
        theirs.close()
        self.over = False

    def end(self) -> None:
        """End it, however it stands."""
        self.pipe.close()
        self._process.join(0.0 if not self.over else GRACE_S)
        self._process.kill()
        self._process.join()


class Crew:
    """All processes of a run; they end with the `with`."""

    def __init__(self, helpers: list[Helper]) -> None:
        self._helpers = helpers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for helper in self._helpers:
            helper.end()

    def start(self, delay_s: float) -> float:
        """Wait until all are ready and tell them when to start; returns that time, in seconds since 1970."""
        ready = 0
        deadline = time.monotonic() + READY_S
        while ready < len(self._helpers):
            if time.monotonic() > deadline:
                raise Fault(f"the processes of the run were not ready within {READY_S:.0f} s: is the machine too busy?")
            ready += sum(told == "ready" for _, told in self.hear(0.1))
        start = time.time() + delay_s
        for helper in self._helpers:
            helper.pipe.send(start)
        return start

    def tell(self, name: str, what: object) -> None:
        """Say something to the process of that name."""
        next(helper for helper in self._helpers if helper.name == name).pipe.send(what)

    def hear(self, seconds: float) -> Iterator[tuple[Helper, Any]]:
        """What they say within so many seconds; `Fault` when one of them broke."""
        by_pipe: dict[Any, Helper] = {helper.pipe: helper for helper in self._helpers if not helper.over}
        for pipe in wait(list(by_pipe), seconds) if by_pipe else ():
            helper = by_pipe[pipe]
            try:
                while helper.pipe.poll():
                    told = helper.pipe.recv()
                    if isinstance(told, Broken):
                        raise Fault(f"{helper.name} ended: {told.why}")
                    yield helper, told
            except EOFError:
                if not helper.over:
                    raise Fault(f"{helper.name} ended without a word: was it killed?") from None


def _main(main: Callable[..., None], arguments: tuple[Any, ...], parent: Connection) -> None:
    """What runs in the process: an error is told to the parent, which speaks for all."""
    # A hundred thousand waiting delivery reports are no garbage, and are not to be searched for any.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    try:
        main(*arguments, parent)
    except (EOFError, BrokenPipeError):  # the parent is gone
        return
    except Exception as error:  # noqa: BLE001 - whatever it is, the run ends with it
        parent.send(Broken(f"{type(error).__name__}: {' '.join(str(error).split())}"))
