"""What the generator itself costs, beside librdkafka alone on the same bytes."""

from pathlib import Path

import pytest

from headrace_load.generator.cost import measure
from running import Running


@pytest.mark.edge
def test_one_core_sends_50_000_commands_a_second_each_with_its_delivery_written_down(
    shop: Running, tmp_path: Path
) -> None:
    cost = measure(shop.settings, 60_000, tmp_path, repeats=1)
    # By CPU time, since a busy machine changes the clock's figure, not this one.
    assert cost.per_core_second > 50_000, cost
    assert cost.ratio < 25, cost
