"""Thresholds: what may be asked, and when it is met."""

import pytest

from headrace_load.generator.thresholds import METRICS, Threshold, judge, parse


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("p99_command_to_row_ms < 100", Threshold("p99_command_to_row_ms", "<", 100)),
        ("lost == 0", Threshold("lost", "==", 0)),
        (" sent_per_second>=9_500.5 ", Threshold("sent_per_second", ">=", 9500.5)),
    ],
)
def test_a_threshold_is_a_metric_a_comparison_and_a_number(text: str, wanted: Threshold) -> None:
    assert parse(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "lost", "lost == ", "lost = 0", "lost == -1", "lost != 0", "lost == 0 == 0", "1 < 2"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^threshold .*: (write METRIC|there is no metric)"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "measured", "ok"),
    [
        ("lost == 0", 0, True),
        ("lost == 0", 1, False),
        ("max_lateness_ms < 5", 5.0, False),
        ("max_lateness_ms <= 5", 5.0, True),
        ("sent > 4", 5, True),
        ("sent >= 6", 5, False),
    ],
)
def test_a_threshold_is_met_or_not(text: str, measured: float, ok: bool) -> None:
    threshold = parse(text)
    judged = judge(threshold, {threshold.metric: measured})
    assert (judged.threshold, judged.measured, judged.ok) == (text, measured, ok)


def test_what_was_not_measured_is_not_met() -> None:
    assert not judge(parse("p50_command_to_row_ms < 100"), {"p50_command_to_row_ms": None}).ok


def test_every_latency_has_its_percentiles() -> None:
    assert {"p50_command_to_event_ms", "p999_command_to_row_ms", "max_lateness_ms"} <= set(METRICS)
