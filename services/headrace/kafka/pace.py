"""How many records a batch takes: more, as long as they are done in a quarter of a second."""

import time
from typing import Final

LONGEST_S: Final = 0.25
"""A transaction of many seconds keeps all that waits behind it waiting, and in the end the broker times it out."""
USUAL: Final = 2000
"""Never fewer: where each statement or each request is slow, small batches would be slower still."""


class Pace:
    """The size of the next batch: the usual one, and more of what costs little, `most` at most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = min(USUAL, most)
        self._records = 0
        self._began = 0.0

    def begin(self, records: int) -> None:
        """A batch of so many records is handed out."""
        self._records, self._began = records, time.monotonic()

    def end(self) -> None:
        """The next one is asked for: the one before, if there was any, is done."""
        if self._records:
            self.took(self._records, time.monotonic() - self._began)
            self._records = 0

    def took(self, records: int, seconds: float) -> None:
        """A batch of so many records took so long; one that was not full only tells when that was too long."""
        if records < self.size and seconds <= LONGEST_S:
            return
        affordable = int(records * LONGEST_S / max(seconds, 1e-6))
        self.size = min(self._most, max(USUAL, min(2 * self.size, affordable)))
