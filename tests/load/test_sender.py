"""The sender on a real broker: what it costs, and what it does when it is late."""

import time
from pathlib import Path

import pytest

from headrace_load.generator.arrivals import Constant
from headrace_load.generator.cost import measure
from headrace_load.generator.histogram import Histogram
from headrace_load.generator.scenario import Mix, Scenario, Uniform
from headrace_load.generator.sender import DROPPED_AFTER_S, Sender, Task
from headrace_load.history import HistoryReader, HistoryWriter
from running import Running

pytestmark = pytest.mark.edge


def test_a_command_with_its_delivery_written_down_costs_at_most_25_times_what_librdkafka_takes_for_it(
    shop: Running, tmp_path: Path
) -> None:
    # A ratio of CPU times in one run: what it costs by the clock, `python -m headrace_load.generator.cost` tells.
    cost = measure(shop.settings, 60_000, tmp_path, repeats=1)
    assert cost.ratio < 25, cost


def test_arrivals_of_a_sender_that_is_far_behind_are_dropped_and_counted(shop: Running, tmp_path: Path) -> None:
    scenario = Scenario(
        description="late",
        arrivals=Constant(rate=200, duration_s=6),
        keys=Uniform(count=10),
        mix=Mix(lifecycle=1),
    )
    path = tmp_path / "history"
    sender = Sender(Task(scenario, shop.settings, "00001a7e", 0, path))
    with HistoryWriter(path) as history:
        found = sender.run(time.time() - 5, history, lambda _counts: None)
    counts = found.counts
    assert counts.sent + counts.dropped == 1_200
    assert counts.dropped >= 200 * (5 - DROPPED_AFTER_S) - 1
    assert counts.sent == counts.acked == len(list(HistoryReader(path))) > 0
    latest = Histogram.merged([found.lateness]).percentile_ms(100)
    assert latest is not None
    assert 100 < latest <= DROPPED_AFTER_S * 1000 * 1.01
