"""How soon after a transaction the next one may begin.

A broker answers a commit before it has marked the partitions as committed. To a transaction that comes meanwhile it
says CONCURRENT_TRANSACTIONS, and librdkafka asks again after 20 ms, whatever its settings say: records that are
gathered for some milliseconds more are committed sooner.
"""

from typing import Final

FEW: Final = 1000
"""Records of a batch; the answers to more of them take longer than the marks."""
LONGEST_S: Final = 0.02
"""The pause that is spared."""


def settling_s(records: int, commit_s: float) -> float:
    """So many seconds after a batch of so many records the next one is complete at the earliest, unless it is full.

    The marks took about half as long as the commit did with its flush and offsets, on one broker: warm, 4 of 8 ms.
    """
    return min(commit_s / 2, LONGEST_S) if records < FEW else 0.0
