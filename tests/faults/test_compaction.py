"""F32: compaction takes all but the newest event of each aggregate, and every handler starts anew."""

from pathlib import Path

import pytest

from headrace.orders.commands import CancelOrder
from lifecycles import lifecycles
from running import running
from servers import Kafka

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]


def test_handlers_restored_from_a_compacted_topic_go_on_where_they_were(
    kafka: Kafka, database: str, tmp_path: Path
) -> None:
    eager = {
        "min_compaction_lag_ms": "0",
        "segment_ms": "200",
        "min_cleanable_dirty_ratio": "0.001",
        "max_compaction_lag_ms": "1000",
    }
    with running(kafka.bootstrap_servers, database, tmp_path, **eager) as shop:
        shop.start_projectors()
        shop.start("before-0", "handle", "orders", "--slot", "0")
        shop.start("before-1", "handle", "orders", "--slot", "1")
        shop.send("orders", *lifecycles(50))
        shop.wait_until_quiet()
        filler = iter(range(1000, 100_000))

        def is_compacted() -> bool:
            # A segment rolls when something is appended to it; only closed ones are cleaned.
            shop.send("orders", *[(f"order-{next(filler)}", next(lifecycles(1))[1]) for _ in range(8)])
            shop.wait_until_quiet()
            left = [key for _, _, key, _ in shop.read("orders.events") if key in lifecycle_keys]
            return len(left) == len(lifecycle_keys)

        lifecycle_keys = {f"order-{number}".encode() for number in range(50)}
        shop.wait(is_compacted, "one event is left of each order", 90)
        shop.services.stop("before-0", "before-1")
        shop.start("after-0", "handle", "orders", "--slot", "0")
        shop.start("after-1", "handle", "orders", "--slot", "1")
        shop.send("orders", *[(f"order-{number}", CancelOrder("too late")) for number in range(50)])
        shop.send("orders", *lifecycles(20, first=200))
        shop.assert_sound()
        refused = [shop.codec.decode(value).body.code for _, _, _, value in shop.read("orders.outcomes")]
        assert refused.count("TooLateToCancel") == 50
        assert shop.rows("SELECT count(*) FROM headrace.journal WHERE version = 4") == [(70,)]
