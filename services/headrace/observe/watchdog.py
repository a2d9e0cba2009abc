"""The last bound on everything: a process whose loop has not come round for too long ends, to be started anew.

No signal handler runs while a call of the client library blocks, so only another thread can end the process. The one
call that is known to block beyond its timeout, the sending of offsets, is bounded by `headrace.kafka.producer`: this is
for those that are not known.
"""

import os
import sys
import threading
import time
from typing import Final

from headrace.settings import Settings

LIMIT_S: Final = {"local": 60.0, "production": 120.0}
"""Each call of the client is a sign of life, and none may take longer than `init_transactions`, 30 s, or the timeout of
a transaction, 40 s in production. The rest is for our own code and the domain's, a batch of it between two calls.
"""
EXIT_CODE: Final = 1


class Watchdog:
    """Ends the process when `beat` was not called for `limit_s` seconds; begins to watch at the first beat."""

    def __init__(self, settings: Settings, limit_s: float | None = None) -> None:
        self._limit_s = limit_s or LIMIT_S[settings.profile]
        self._beaten = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def beat(self) -> None:
        """Say that the loop gets on."""
        self._beaten = time.monotonic()
        if not self._thread.is_alive() and not self._over.is_set():
            self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(self._limit_s / 10):
            silent = time.monotonic() - self._beaten
            if silent > self._limit_s:
                sys.stderr.write(f"headrace: the loop has not come round for {silent:.0f} s: the process ends here\n")
                sys.stderr.flush()
                os._exit(EXIT_CODE)
