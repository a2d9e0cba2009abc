"""How many records a batch takes: as many as are done in a quarter of a second, by what the batches before it took."""

import time
from typing import Final

LONGEST_S: Final = 0.25
"""A transaction of many seconds keeps all that waits behind it waiting, and in the end the broker times it out."""
FIRST: Final = 500
FEWEST: Final = 10


class Pace:
    """The size of the next batch, `most` at most: domain code may be slow, and a broker or a database may be."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = min(FIRST, most)
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
        self.size = min(self._most, max(FEWEST, min(2 * self.size, affordable)))
