"""How many records a batch takes: as many as are done in a quarter of a second, by what the batches before it took."""

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

    def took(self, records: int, seconds: float) -> None:
        """A batch of so many records took so long; one that was not full only tells when that was too long."""
        if records < self.size and seconds <= LONGEST_S:
            return
        affordable = int(records * LONGEST_S / max(seconds, 1e-6))
        self.size = min(self._most, max(FEWEST, min(2 * self.size, affordable)))
