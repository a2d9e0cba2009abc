"""What a run must reach: `p99_command_to_row_ms < 100` and the like, and whether it did."""

import operator
import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

LATENCIES: Final = ("command_to_outcome", "command_to_event", "command_to_row", "lateness")
PERCENTILES: Final = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p999": 99.9, "max": 100.0}
COUNTS: Final = (
    "sent", "acked", "failed", "unknown", "dropped",
    "lost", "duplicated", "out_of_order", "problems",
    "sent_per_second", "answered_per_second", "events_per_second", "rows_per_second",
    "max_handler_lag", "max_view_lag", "undrained", "drain_s", "generator_cpu_us",
)  # fmt: skip
METRICS: Final = (*(f"{name}_{of}_ms" for of in LATENCIES for name in PERCENTILES), *COUNTS)

FORM: Final = re.compile(r"\s*(\w+)\s*(<=|>=|==|<|>)\s*(\d[\d_]*(?:\.\d+)?)\s*")
COMPARE: Final = {"<": operator.lt, "<=": operator.le, "==": operator.eq, ">=": operator.ge, ">": operator.gt}


class Threshold(Struct, frozen=True):
    """A metric, how it is compared, and with what."""

    metric: str
    comparison: str
    bound: float

    def __str__(self) -> str:
        return f"{self.metric} {self.comparison} {self.bound:g}"


class Judged(Struct, frozen=True):
    """A threshold and what was measured; None, where nothing was, does not pass."""

    threshold: str
    measured: float | None
    ok: bool


def parse(text: str) -> Threshold:
    """The threshold that a line says; `ValueError` says what is wrong with it."""
    found = FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"threshold {text!r}: write METRIC < NUMBER, with <, <=, ==, >= or >")
    metric, comparison, bound = found.groups()
    if metric not in METRICS:
        raise ValueError(f"threshold {text!r}: there is no metric {metric}; there are {', '.join(METRICS)}")
    return Threshold(metric, comparison, float(bound))


def judge(threshold: Threshold, metrics: Mapping[str, Any]) -> Judged:
    """Whether a run's metrics meet the threshold."""
    measured = metrics.get(threshold.metric)
    ok = measured is not None and bool(COMPARE[threshold.comparison](measured, threshold.bound))
    return Judged(str(threshold), measured, ok)
