"""Histograms: nothing is lost between processes, and nothing is off by more than its digits."""

from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from headrace_load.generator.histogram import DIGITS, LONGEST_US, Histogram

durations = st.lists(st.integers(0, 60_000_000), min_size=1, max_size=200)


def of(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(st.lists(durations, min_size=1, max_size=4))
def test_histograms_merged_are_the_histogram_of_all(parts: list[list[int]]) -> None:
    merged = Histogram.merged(of(part).encode() for part in parts)
    assert merged.as_json() == of([value for part in parts for value in part]).as_json()


@given(durations)
def test_what_is_recorded_is_what_hdr_itself_records(values: list[int]) -> None:
    theirs = HdrHistogram(1, LONGEST_US, DIGITS)
    for value in values:
        theirs.record_value(value)
    ours = of(values)
    for percentile in (0, 1, 50, 90, 99, 99.9, 100):
        assert ours.percentile_ms(percentile) == theirs.get_value_at_percentile(percentile) / 1000


@given(durations)
def test_a_percentile_is_the_duration_that_so_many_did_not_exceed(values: list[int]) -> None:
    found = of(values)
    ordered = sorted(values)
    median = ordered[max(0, int(len(ordered) / 2 + 0.5) - 1)]
    assert found.percentile_ms(50) == pytest.approx(median / 1000, rel=0.002, abs=0.002)
    assert found.percentile_ms(100) == pytest.approx(ordered[-1] / 1000, rel=0.002, abs=0.002)


def test_what_is_out_of_range_counts_at_its_edge() -> None:
    found = of([-5, 2 * LONGEST_US])
    assert found.count == 2
    assert found.percentile_ms(100) == pytest.approx(LONGEST_US / 1000, rel=0.002)


def test_an_empty_histogram_has_no_percentiles_and_adds_nothing() -> None:
    empty = Histogram()
    assert empty.as_json() == {
        "count": 0,
        "p50": None,
        "p90": None,
        "p95": None,
        "p99": None,
        "p999": None,
        "max": None,
    }
    assert empty.curve() == []
    assert Histogram.merged([empty.encode(), of([1000]).encode()]).as_json()["max"] == pytest.approx(1, rel=0.002)


def test_the_file_is_what_hdr_histograms_plotter_reads(tmp_path: Path) -> None:
    path = tmp_path / "some.hgrm"
    of(list(range(1, 10_001))).write(path)
    lines = path.read_text().splitlines()
    assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    assert lines[-3].startswith("#[Mean")
    value, percentile, count, *_ = lines[2].split()
    assert (float(percentile), int(count)) == (0.0, 1)
    assert float(value) == 1


def test_a_curve_rises_and_ends_with_the_largest() -> None:
    curve = of(list(range(1, 10_001))).curve()
    assert [at for at, _ in curve] == sorted(at for at, _ in curve)
    assert curve[-1] == (100.0, pytest.approx(10.0, rel=0.002))
