"""When commands are to be sent: the shape of an open-model load, as phases whose rate changes evenly.

Nobody waits for an answer before the next arrival, as a shop's customers do not wait for each other.
"""

import math
import random
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, NamedTuple, TypeAlias

from msgspec import Meta, Struct
from msgspec.structs import replace

Rate: TypeAlias = Annotated[float, Meta(gt=0, le=10_000_000)]
"""Commands a second."""
Seconds: TypeAlias = Annotated[float, Meta(gt=0, le=1_000_000)]
Count: TypeAlias = Annotated[int, Meta(gt=0, le=10_000_000_000)]
Spacing: TypeAlias = Literal["even", "poisson"]

SOAK_EDGE = 0.05
"""A soak's share of time at each end in which the rate rises or falls."""


class Phase(NamedTuple):
    """A stretch of time over which the rate goes evenly from `start` to `end` commands a second."""

    seconds: float
    start: float
    end: float

    @property
    def arrivals(self) -> float:
        """How many commands arrive in it."""
        return self.seconds * (self.start + self.end) / 2

    def time_of(self, count: float) -> float:
        """When so many commands have arrived, in seconds from the start of the phase."""
        growth = (self.end - self.start) / self.seconds
        if abs(growth) * self.seconds < 1e-9 * max(self.start, self.end):
            return count / self.start
        # The root of growth/2 t² + start t - count that lies in the phase, in the form that loses no digits.
        return 2 * count / (self.start + math.sqrt(max(self.start**2 + 2 * growth * count, 0.0)))


class _Shape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="shape"):
    """What all shapes can say: even distances between arrivals, or a Poisson process of the same rate."""

    spacing: Spacing = "even"


class Constant(_Shape, tag="constant", frozen=True, kw_only=True):
    """One rate, for a time or a number of commands."""

    rate: Rate
    duration_s: Seconds | None = None
    count: Count | None = None

    def __post_init__(self) -> None:
        """Refuse neither and both, and a number of arrivals whose number is left to chance."""
        _one_of(self.duration_s, self.count)
        if self.count is not None and self.spacing == "poisson":
            raise ValueError("poisson arrivals have a duration_s: how many come in it is random")

    def phases(self) -> tuple[Phase, ...]:
        """One phase."""
        return (Phase(self.duration_s or (self.count or 0) / self.rate, self.rate, self.rate),)


class Ramp(_Shape, tag="ramp", frozen=True, kw_only=True):
    """From one rate to another, evenly."""

    from_rate: Rate
    rate: Rate
    duration_s: Seconds

    def phases(self) -> tuple[Phase, ...]:
        """One phase."""
        return (Phase(self.duration_s, self.from_rate, self.rate),)


class Step(_Shape, tag="step", frozen=True, kw_only=True):
    """From one rate to another in equal steps of equal length, the first and the last rate among them."""

    from_rate: Rate
    rate: Rate
    steps: Annotated[int, Meta(ge=2, le=1000)]
    duration_s: Seconds

    def phases(self) -> tuple[Phase, ...]:
        """A phase a step."""
        rise = (self.rate - self.from_rate) / (self.steps - 1)
        rates = [self.from_rate + rise * number for number in range(self.steps)]
        return tuple(Phase(self.duration_s / self.steps, rate, rate) for rate in rates)


class Spike(_Shape, tag="spike", frozen=True, kw_only=True):
    """One rate, and for a while in the middle a much higher one, at once."""

    rate: Rate
    spike_rate: Rate
    spike_s: Seconds
    duration_s: Seconds

    def __post_init__(self) -> None:
        """Refuse a spike that is longer than the whole."""
        if self.spike_s >= self.duration_s:
            raise ValueError("spike_s must be less than duration_s")

    def phases(self) -> tuple[Phase, ...]:
        """Before, spike, after."""
        calm = Phase((self.duration_s - self.spike_s) / 2, self.rate, self.rate)
        return calm, Phase(self.spike_s, self.spike_rate, self.spike_rate), calm


class Soak(_Shape, tag="soak", frozen=True, kw_only=True):
    """A long time at one rate, with a slow start and a slow end."""

    rate: Rate
    duration_s: Seconds

    def phases(self) -> tuple[Phase, ...]:
        """Rise, hold, fall."""
        edge = self.duration_s * SOAK_EDGE
        hold = Phase(self.duration_s - 2 * edge, self.rate, self.rate)
        return Phase(edge, 0.0, self.rate), hold, Phase(edge, self.rate, 0.0)


class Flood(_Shape, tag="flood", frozen=True, kw_only=True):
    """As fast as the broker takes them, for a number of commands or for a time; then the backlog is drained."""

    count: Count | None = None
    duration_s: Seconds | None = None

    def __post_init__(self) -> None:
        """Refuse neither and both."""
        _one_of(self.duration_s, self.count)

    def phases(self) -> tuple[Phase, ...]:
        """None: there is no schedule."""
        return ()


Arrivals: TypeAlias = Constant | Ramp | Step | Spike | Soak | Flood


def times(phases: Sequence[Phase], worker: int, share: float, spacing: Spacing, seed: int) -> Iterator[float]:
    """The times of one worker's arrivals, rising, in seconds from the start; it sends `share` of all commands.

    Evenly spaced ones of several workers with equal shares lie between each other.
    """
    generator = random.Random(f"{seed}/{worker}/arrivals")  # noqa: S311 - a schedule, not a secret
    poisson = spacing == "poisson"
    # In commands of this worker: how many have arrived up to and including the next one.
    due = generator.expovariate(1.0) if poisson else (worker * share + 0.5 * share) % 1.0 or share
    begins = before = 0.0
    for phase in phases:
        arriving = phase.arrivals * share
        while due < before + arriving:
            yield begins + phase.time_of((due - before) / share)
            due += generator.expovariate(1.0) if poisson else 1.0
        begins += phase.seconds
        before += arriving


def scaled(arrivals: Arrivals, rate: float | None, duration_s: float | None, count: int | None) -> Arrivals:
    """The same shape with another `rate`, all its rates in proportion, and another length, likewise.

    Raises `ValueError`, with what is wrong, where the shape has no such thing.
    """
    changes: dict[str, float | int | None] = {}
    if rate is not None:
        if isinstance(arrivals, Flood):
            raise ValueError("a flood has no rate: it goes as fast as it can")
        factor = rate / arrivals.rate
        rates = [name for name in ("rate", "from_rate", "spike_rate") if hasattr(arrivals, name)]
        changes |= {name: getattr(arrivals, name) * factor for name in rates}
    if count is not None:
        if not isinstance(arrivals, Constant | Flood):
            raise ValueError(f"the shape {type(arrivals).__name__.lower()} has a duration and no count")
        changes |= {"count": count, "duration_s": None}
    elif duration_s is not None:
        changes |= {"duration_s": duration_s}
        if isinstance(arrivals, Constant | Flood):
            changes |= {"count": None}
        if isinstance(arrivals, Spike):
            changes |= {"spike_s": arrivals.spike_s * duration_s / arrivals.duration_s}
    return replace(arrivals, **changes)


def peak(arrivals: Arrivals) -> float | None:
    """The highest rate of the shape; None for a flood."""
    return max((max(phase.start, phase.end) for phase in arrivals.phases()), default=None)


def _one_of(duration_s: float | None, count: int | None) -> None:
    if (duration_s is None) == (count is None):
        raise ValueError("say either duration_s or count")
