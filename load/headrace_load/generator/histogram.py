"""Latencies as HDR histograms: three digits from a microsecond to an hour, and mergeable without loss.

https://hdrhistogram.org; the `.hgrm` files can be laid over each other by its plotter.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Self

from hdrh.histogram import HdrHistogram

from headrace_load.generator.thresholds import PERCENTILES

LONGEST_US: Final = 3_600_000_000
DIGITS: Final = 3
BITS: Final = (2 * 10**DIGITS - 1).bit_length()
"""So many leading bits of a duration HDR keeps."""
CURVE_TICKS: Final = 5
"""Points of a percentile curve for each halving of what lies beyond."""


class Histogram:
    """Durations in microseconds; what is longer than an hour counts as an hour, what is negative as 0."""

    def __init__(self) -> None:
        self._folded: Any = HdrHistogram(1, LONGEST_US, DIGITS)
        self._counts: dict[int, int] = {}

    def record(self, microseconds: int) -> None:
        """Add a duration.

        Counted here at HDR's own resolution, and given to it when somebody looks: it takes five times as long.
        """
        unkept = microseconds.bit_length() - BITS
        if unkept > 0:
            microseconds = microseconds >> unkept << unkept
        counts = self._counts
        counts[microseconds] = counts.get(microseconds, 0) + 1

    @property
    def count(self) -> int:
        """How many durations there are."""
        return int(self._hdr.get_total_count())

    def encode(self) -> bytes:
        """The histogram for another process, in HDR's own compressed form."""
        return bytes(self._hdr.encode())

    @property
    def _hdr(self) -> Any:
        """HDR's histogram of all that was recorded."""
        for microseconds, count in self._counts.items():
            self._folded.record_value(min(max(microseconds, 0), LONGEST_US), count)
        self._counts.clear()
        return self._folded

    @classmethod
    def merged(cls, encoded: Iterable[bytes]) -> Self:
        """One of all these."""
        whole = cls()
        for one in encoded:
            whole._hdr.decode_and_add(one)
        return whole

    def percentile_ms(self, percentile: float) -> float | None:
        """The duration that so many percent did not exceed, in milliseconds; None when there is none."""
        return self._hdr.get_value_at_percentile(percentile) / 1000 if self.count else None

    def as_json(self) -> dict[str, Any]:
        """Count and percentiles, in milliseconds."""
        if not self.count:
            return {"count": 0} | dict.fromkeys(PERCENTILES)
        found = self._hdr.get_percentile_to_value_dict(list(PERCENTILES.values()))
        return {"count": self.count} | {name: found[at] / 1000 for name, at in PERCENTILES.items()}

    def curve(self) -> list[tuple[float, float]]:
        """Percentile and duration in milliseconds, closer together towards the end."""
        if not self.count:
            return []
        return [
            (point.percentile_level_iterated_to, point.value_iterated_to / 1000)
            for point in self._hdr.get_percentile_iterator(CURVE_TICKS)
        ]

    def write(self, path: Path) -> None:
        """The percentile distribution as a `.hgrm` file, in microseconds."""
        with path.open("wb") as file:
            self._hdr.output_percentile_distribution(file, 1, CURVE_TICKS)
