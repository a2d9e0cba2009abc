"""The last bound on everything: a process whose loop has not come round for too long ends, to be started anew.

librdkafka's transactional calls have been seen to block far beyond their timeouts when a broker dies in the middle of
a transaction, and so have its `close` calls; no signal handler runs meanwhile, so only another thread can end the
process.
"""

import os
import sys
import threading
from typing import Final, Self

from headrace.observe.health import Health

EXIT_CODE: Final = 1
INTERVAL_S: Final = 1.0


class Watchdog:
    """Ends the process, within its `with`, when the loop is silent for too long or does not end although it must.

    The first silence that counts is that after the loop's first sign of life.
    """

    def __init__(self, health: Health, interval_s: float = INTERVAL_S) -> None:
        self._health = health
        self._interval_s = interval_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(self._interval_s):
            if self._health.is_doomed():
                sys.stderr.write(f"headrace: {self._health.alive().why}: the process ends here\n")
                sys.stderr.flush()
                os._exit(EXIT_CODE)
