"""Schedules: as many arrivals as the rates add up to, in order, where the rates say."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_load.generator.arrivals import (
    Arrivals,
    Constant,
    Flood,
    Phase,
    Ramp,
    Soak,
    Spike,
    Step,
    peak,
    scaled,
    times,
)

rates = st.floats(1, 2_000)
lengths = st.floats(0.5, 8)
SHAPES = st.one_of(
    st.builds(Constant, rate=rates, duration_s=lengths),
    st.builds(Constant, rate=rates, count=st.integers(1, 3_000)),
    st.builds(Ramp, from_rate=rates, rate=rates, duration_s=lengths),
    st.builds(Step, from_rate=rates, rate=rates, steps=st.integers(2, 7), duration_s=lengths),
    st.builds(Soak, rate=rates, duration_s=lengths),
    st.builds(Spike, rate=rates, spike_rate=rates, spike_s=st.floats(0.1, 0.4), duration_s=lengths),
)


def arriving(phases: tuple[Phase, ...], until: float) -> float:
    """The integral of the rate."""
    total = begins = 0.0
    for phase in phases:
        inside = min(max(until - begins, 0.0), phase.seconds)
        rate_then = phase.start + (phase.end - phase.start) * inside / phase.seconds
        total += inside * (phase.start + rate_then) / 2
        begins += phase.seconds
    return total


def all_times(shape: Arrivals, workers: int = 1, seed: int = 1) -> list[float]:
    found: list[float] = []
    for worker in range(workers):
        found += times(shape.phases(), worker, 1 / workers, shape.spacing, seed)
    return sorted(found)


@given(SHAPES)
def test_the_nth_arrival_comes_when_the_rates_add_up_to_it(shape: Arrivals) -> None:
    phases = shape.phases()
    found = all_times(shape)
    assert all(before <= after for before, after in pairwise(found))
    assert len(found) == pytest.approx(arriving(phases, float("inf")), abs=1)
    for number in range(0, len(found), max(1, len(found) // 20)):
        assert arriving(phases, found[number]) == pytest.approx(number + 0.5, rel=1e-6, abs=1e-3)


@given(SHAPES, st.integers(2, 5))
def test_several_workers_send_together_what_one_would(shape: Arrivals, workers: int) -> None:
    together, alone = all_times(shape, workers), all_times(shape)
    assert len(together) == pytest.approx(len(alone), abs=1)
    for number in range(0, min(len(together), len(alone)), max(1, len(alone) // 20)):
        assert together[number] == pytest.approx(alone[number], rel=1e-6, abs=1e-3)


def test_a_number_of_commands_is_exactly_that_number() -> None:
    for workers in (1, 2, 3, 7):
        assert len(all_times(Constant(rate=1000, count=1000), workers)) == 1000


def test_poisson_arrivals_have_the_rate_and_no_even_distances_and_come_again_with_their_seed() -> None:
    shape = Constant(rate=1000, duration_s=20, spacing="poisson")
    found = all_times(shape)
    assert len(found) == pytest.approx(20_000, rel=0.05)
    assert all(before <= after for before, after in pairwise(found))
    distances = sorted(after - before for before, after in pairwise(found))
    # Of exponential distances the median is 0.69 of the mean; even ones would be all alike.
    assert distances[len(distances) // 2] == pytest.approx(0.000693, rel=0.05)
    assert found == all_times(shape)
    assert found != all_times(shape, seed=2)


def test_a_spike_is_as_high_and_as_long_as_it_says() -> None:
    found = all_times(Spike(rate=10, spike_rate=1000, spike_s=2, duration_s=10))
    assert len([at for at in found if 4 <= at < 6]) == pytest.approx(2000, abs=2)
    assert len(found) == pytest.approx(2080, abs=2)


def test_steps_begin_and_end_with_the_rates_that_are_named() -> None:
    phases = Step(from_rate=100, rate=400, steps=4, duration_s=8).phases()
    assert [(phase.seconds, phase.start, phase.end) for phase in phases] == [
        (2, 100, 100), (2, 200, 200), (2, 300, 300), (2, 400, 400),
    ]  # fmt: skip


@given(SHAPES.filter(lambda shape: getattr(shape, "count", None) is None), st.floats(1, 50), st.floats(0.5, 5))
def test_another_rate_and_length_keep_the_shape(shape: Arrivals, rate: float, length: float) -> None:
    other = scaled(shape, rate, length, None)
    highest = peak(shape)
    assert not isinstance(other, Flood)
    assert not isinstance(shape, Flood)
    assert highest is not None
    assert peak(other) == pytest.approx(highest * rate / shape.rate)
    assert sum(phase.seconds for phase in other.phases()) == pytest.approx(length)


def test_a_flood_has_no_schedule() -> None:
    assert Flood(count=5).phases() == ()
    assert peak(Flood(count=5)) is None
