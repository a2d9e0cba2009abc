"""What the probes are told, and when."""

import time

import pytest

from headrace.observe import health as module
from headrace.observe.health import Health


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock's time, for the test to set."""
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_service_that_has_not_begun_is_alive_not_started_and_not_ready(clock: list[float]) -> None:
    health = Health()
    clock[0] += 10_000
    assert health.alive().ok
    assert not health.is_doomed()
    for probe in (health.started, health.is_ready):
        assert (probe().ok, probe().why) == (False, "Kafka and Postgres have not answered yet")


def test_a_service_that_restores_has_started_and_says_why_it_is_not_ready(clock: list[float]) -> None:
    health = Health()
    health.beat()  # as a client does that is not connected yet
    assert not health.started().ok
    health.begin()
    health.wait_for("restoring 4 partitions")
    assert health.started().ok
    assert (health.is_ready().ok, health.is_ready().why) == (False, "restoring 4 partitions")
    health.ready()
    assert health.is_ready().ok
    clock[0] += 89
    assert health.is_ready().ok


@pytest.mark.parametrize(("profile", "limit"), [("local", 90), ("production", 300)])
def test_a_loop_that_stands_still_is_neither_alive_nor_ready(clock: list[float], profile: str, limit: int) -> None:
    health = Health(profile)
    health.beat()
    health.ready()
    clock[0] += limit + 1
    said = f"the loop has not come round for {limit + 1} s"
    assert (health.alive().why, health.is_ready().why) == (said, said)
    assert health.is_doomed()
    health.beat()
    assert health.is_ready().ok


def test_what_is_fatal_is_told_at_once_and_ends_the_process_that_does_not_end_itself(clock: list[float]) -> None:
    health = Health()
    health.beat()
    health.ready()
    health.fail("fenced")
    health.fail("a consequence")
    assert (health.alive().why, health.is_ready().why) == ("fenced", "fenced")
    assert not health.is_doomed()
    clock[0] += 11
    health.beat()
    assert health.is_doomed()


def test_a_service_that_stops_is_alive_and_not_ready_and_has_less_time(clock: list[float]) -> None:
    health = Health()
    health.beat()
    health.ready()
    health.stop()
    assert health.alive().ok
    assert health.is_ready().why == "the service is stopping"
    clock[0] += 46
    assert health.is_doomed()


def test_the_clock_is_the_one_that_never_goes_back() -> None:
    health = Health()
    health.beat()
    assert 0 <= health.silent_s < time.monotonic()
