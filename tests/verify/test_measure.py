"""The figures of a small past, whose times are known."""

from pathlib import Path

import psycopg
import pytest

from headrace_load.measure import Latency, measure
from headrace_load.verify import CannotVerify
from verify.checking import SCHEMAS_FOLDER, small_past
from verify.past_on_servers import save_tables


def test_percentiles_are_of_the_ordered_durations() -> None:
    assert Latency.of([float(number) for number in range(100, -1, -1)]) == Latency(101, 50.0, 99.0, 100.0)
    assert Latency.of([7.0]) == Latency(1, 7.0, 7.0, 7.0)
    assert Latency.of([]) == Latency(0, 0.0, 0.0, 0.0)


@pytest.mark.edge
def test_latencies_are_counted_from_the_time_at_which_the_command_was_appended(database: str) -> None:
    past = small_past()
    save_tables(past, database)
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE headrace.journal SET copied_at = logged_at + interval '9 ms'")
        connection.execute("UPDATE orders_v1.orders SET applied_at = updated_at + interval '12 ms'")
    found = measure(database, SCHEMAS_FOLDER, "orders")
    assert found.events == 5
    assert found.command_to_event == Latency(5, 1.0, 1.0, 1.0)
    assert found.command_to_journal == Latency(5, 10.0, 10.0, 10.0)
    assert found.command_to_row == Latency(2, 12.0, 12.0, 12.0)
    assert found.events_per_second == pytest.approx(5 / found.seconds, rel=0.01)


@pytest.mark.edge
def test_a_database_without_tables_is_one_line(database: str, tmp_path: Path) -> None:
    with pytest.raises(CannotVerify, match="nothing to measure: relation") as refused:
        measure(database, SCHEMAS_FOLDER, "orders")
    assert "\n" not in str(refused.value)
    with pytest.raises(CannotVerify, match="set HEADRACE_SCHEMAS"):
        measure(database, tmp_path, "orders")
