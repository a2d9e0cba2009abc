"""Kills at random, while something goes on: the supervisor starts each process again at once."""

import random
import threading
from collections import Counter
from types import TracebackType
from typing import Final, Self

from headrace.local import LocalServerError, Supervisor

PAUSE_S: Final = (2.0, 8.0)
"""Between two kills."""


class Kills:
    """Kills one of the named services after the other, for as long as the `with` lasts; `killed` counts them."""

    def __init__(self, services: Supervisor, names: list[str], seed: int) -> None:
        self.killed: Counter[str] = Counter()
        self._services = services
        self._names = names
        self._random = random.Random(seed)  # noqa: S311 - chance, not a secret
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _go_on(self) -> None:
        while not self._over.wait(self._random.uniform(*PAUSE_S)):
            name = self._random.choice(self._names)
            try:
                self._services.kill(name)
            except LocalServerError:  # it has not come back from the last kill
                continue
            self.killed[name] += 1
