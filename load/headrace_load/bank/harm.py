"""What becomes of services at random while something goes on: killed, frozen, told to leave; each comes back."""

import random
import signal
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Final, Self

from headrace.local import LocalServerError, Supervisor

PAUSE_S: Final = (2.0, 8.0)
"""Between two of them."""
FREEZE_S: Final = (1.0, 25.0)
"""Shorter than a session, longer than it, and longer than the transactions of the local profile."""
KINDS: Final = {"kill": 6, "freeze": 2, "leave": 2}
"""kill -9; SIGSTOP, and SIGCONT later; SIGTERM. And how often, of ten."""


class Harm:
    """Harms one of the named services after the other, for as long as the `with` lasts; `done` counts by kind.

    The supervisor starts again who has ended. What is frozen in the end goes on then.
    """

    def __init__(self, services: Supervisor, names: list[str], seed: int) -> None:
        self.done: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
        self._services = services
        self._names = names
        self._random = random.Random(seed)  # noqa: S311 - chance, not a secret
        self._frozen: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    @property
    def total(self) -> int:
        """How many have been harmed."""
        return sum(counter.total() for counter in self.done.values())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        for name in self._frozen:
            self._send(name, signal.SIGCONT)

    def _go_on(self) -> None:
        due = time.monotonic() + self._random.uniform(*PAUSE_S)
        while not self._over.wait(max(0.0, min([due, *self._frozen.values()]) - time.monotonic())):
            now = time.monotonic()
            for name in [name for name, until in self._frozen.items() if until <= now]:
                del self._frozen[name]
                self._send(name, signal.SIGCONT)
            if due <= now:
                self._harm(now)
                due = now + self._random.uniform(*PAUSE_S)

    def _harm(self, now: float) -> None:
        [kind] = self._random.choices([*KINDS], [*KINDS.values()])
        name, seconds = self._random.choice(self._names), self._random.uniform(*FREEZE_S)
        number = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP, "leave": signal.SIGTERM}[kind]
        if name in self._frozen or not self._send(name, number):
            return
        self.done[kind][name] += 1
        if kind == "freeze":
            self._frozen[name] = now + seconds

    def _send(self, name: str, number: int) -> bool:
        """Whether it was there to be told: it may not have come back from the last time."""
        try:
            self._services.send(name, number)
        except LocalServerError:
            return False
        return True
