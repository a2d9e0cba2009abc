"""How many records a batch takes: more, as long as they are done in a quarter of a second."""

import time
from typing import Final

LONGEST_S: Final = 0.25
"""A transaction of many seconds keeps all that waits behind it waiting, and in the end the broker times it out."""
USUAL: Final = 2000
"""Not fewer: where each statement or each request is slow, small batches would be slower still."""
FIRST: Final = 250
"""Nobody knows yet what a record costs, and a process that ends of a batch that is too large begins with this again."""
ENDANGERED_S: Final = 4.0
"""A batch that takes longer comes near to what brokers allow for a transaction: then fewer are taken all the same."""


class Pace:
    """The size of the next batch: the usual one, and more of what costs little, `most` at most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = self._least = min(FIRST, most)
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
        if seconds > ENDANGERED_S:
            self._least = max(1, min(USUAL, records // 2))
        elif seconds <= ENDANGERED_S / 2:
            self._least = min(USUAL, 2 * self._least)
        affordable = int(records * LONGEST_S / max(seconds, 1e-6))
        self.size = min(self._most, max(self._least, min(2 * self.size, affordable)))

    def overflowed(self) -> None:
        """The batch that was handed out leads to more than the client has room for."""
        self.size = self._least = max(1, min(USUAL, self._records // 2))
        self._records = 0
