"""Lag in records and in seconds, from what a consumer and the brokers say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.kafka.records import Place
from headrace.observe import lag as module
from headrace.observe.lag import Lag

PLACE: Place = ("orders.commands", 3)


@pytest.fixture
def now() -> list[float]:
    return [1_000_000.0]


@pytest.fixture
def lag(now: list[float], monkeypatch: pytest.MonkeyPatch) -> Lag:
    """One partition that was acquired at offset 10, on a clock that the test sets."""
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    lag = Lag(lambda: now[0])
    lag.acquired({PLACE: 10})
    return lag


def see(lag: Lag, stable: int, high: int | None = None) -> None:
    lag.ends({PLACE: stable}, {PLACE: stable if high is None else high})


def figures(lag: Lag) -> tuple[int, float]:
    found = lag.read()[PLACE]
    return found.records, found.seconds


def test_a_marker_behind_the_last_record_is_no_lag(lag: Lag, now: list[float]) -> None:
    see(lag, 14)
    lag.moved({PLACE: 13}, {PLACE: 1_000_000_000})
    assert lag.read()[PLACE].records == 1
    lag.look(lambda places: dict.fromkeys(places, 14))
    now[0] += 3600
    assert figures(lag) == (0, 0.0)
    assert lag.read()[PLACE].position == 14


def test_the_client_s_position_means_nothing_while_a_batch_is_to_be_read_again(lag: Lag) -> None:
    see(lag, 14)
    lag.rewound([PLACE])
    lag.look(lambda places: dict.fromkeys(places, 14))
    assert lag.read()[PLACE].records == 4
    lag.moved({PLACE: 12}, {})
    lag.look(lambda places: dict.fromkeys(places, 14))
    assert lag.read()[PLACE].records == 0


def test_a_batch_that_is_read_again_by_another_owner_does_not_hold_the_position_up(lag: Lag) -> None:
    lag.released([PLACE])
    lag.rewound([PLACE])
    lag.acquired({PLACE: 10})
    see(lag, 14)
    lag.look(lambda places: dict.fromkeys(places, 14))
    assert lag.read()[PLACE].records == 0


def test_a_position_never_goes_back(lag: Lag) -> None:
    lag.moved({PLACE: 12}, {})
    lag.look(lambda places: dict.fromkeys(places, -1001))
    assert lag.read()[PLACE].position == 12


def test_seconds_are_the_age_of_the_newest_record_that_is_done_while_there_are_others(
    lag: Lag, now: list[float]
) -> None:
    lag.moved({PLACE: 20}, {PLACE: 999_990_000})
    assert figures(lag) == (-1, 0.0)
    see(lag, 100)
    assert figures(lag) == (80, 10.0)
    now[0] += 5
    assert figures(lag) == (80, 15.0)
    lag.moved({PLACE: 100}, {PLACE: 999_999_000})
    assert figures(lag) == (0, 0.0)


def test_a_record_after_an_idle_hour_is_no_hour_late(lag: Lag, now: list[float]) -> None:
    lag.moved({PLACE: 20}, {PLACE: 1_000_000_000})
    see(lag, 20)
    now[0] += 3600
    see(lag, 20)
    now[0] += 2
    see(lag, 21)
    assert figures(lag) == (1, 2.0)


def test_a_loop_that_waits_for_its_database_is_seen_to_fall_behind(lag: Lag, now: list[float]) -> None:
    see(lag, 10)
    for behind in (2, 4, 6):
        now[0] += 2
        see(lag, 10 + behind)
        assert figures(lag) == (behind, float(behind))


def test_an_open_transaction_that_holds_back_the_end_is_told_by_its_age(lag: Lag, now: list[float]) -> None:
    see(lag, 14, 14)
    assert lag.read()[PLACE].unstable_s == 0.0
    for seconds in (0.0, 2.0, 4.0):
        see(lag, 14, 16)
        assert lag.read()[PLACE].unstable_s == seconds
        now[0] += 2
    see(lag, 17, 18)
    assert lag.read()[PLACE].unstable_s == 0.0
    see(lag, 19, 19)
    now[0] += 2
    assert lag.read()[PLACE].unstable_s == 0.0


def test_a_partition_stands_still_only_with_records_to_read_and_brokers_that_answer(lag: Lag, now: list[float]) -> None:
    see(lag, 10)
    now[0] += 1000
    see(lag, 10)
    assert not lag.stalled(90, 20)
    now[0] += 2
    see(lag, 12)
    now[0] += 60
    lag.unseen()
    now[0] += 60
    assert not lag.stalled(90, 20)
    now[0] += 31
    assert lag.stalled(90, 20) == {PLACE: (10, 12)}
    lag.halted(PLACE)
    assert not lag.stalled(90, 20)
    assert lag.read()[PLACE].is_halted


def test_a_partition_waits_for_its_turn_while_another_is_served_that_has_a_backlog(lag: Lag, now: list[float]) -> None:
    other = ("orders.commands", 2)
    lag.acquired({other: 0})
    lag.ends({PLACE: 12, other: 1000}, {PLACE: 12, other: 1000})
    for turn in range(1, 45):
        now[0] += 10
        lag.moved({other: 20 * turn}, {})
        assert not lag.stalled(90, 20)
    now[0] += 11
    assert lag.stalled(90, 20) == {PLACE: (10, 12)}, "but not for ever"


def test_a_partition_stands_still_beside_one_that_is_no_more_than_a_batch_behind(lag: Lag, now: list[float]) -> None:
    other = ("orders.commands", 2)
    lag.acquired({other: 0})
    lag.ends({PLACE: 12, other: 1000}, {PLACE: 12, other: 1000})
    now[0] += 91
    lag.moved({other: 980}, {})
    assert lag.stalled(90, 20) == {PLACE: (10, 12)}


def test_offsets_without_a_record_are_passed_unless_the_consumer_was_faster(lag: Lag, now: list[float]) -> None:
    see(lag, 12)
    lag.nothing_between(PLACE, 10, 12)
    assert lag.read()[PLACE].records == 0
    see(lag, 15)
    lag.moved({PLACE: 13}, {})
    lag.nothing_between(PLACE, 12, 15)
    assert lag.read()[PLACE].position == 13
    now[0] += 100
    assert lag.stalled(90, 20) == {PLACE: (13, 15)}


def test_a_partition_that_is_filled_tells_how_far_it_is_and_stands_still_for_as_long_as_it_takes(
    lag: Lag, now: list[float]
) -> None:
    """Its records come from the journal: the client's position is nowhere, and others are filled before it."""
    lag.filling({PLACE: 10})
    see(lag, 30)
    now[0] += 3600
    lag.moved({PLACE: 20}, {PLACE: 1_000_000_000})
    lag.look(lambda places: dict.fromkeys([*places, ("orders.commands", 4)], 30))
    assert figures(lag) == (10, 3600.0)
    now[0] += 3600
    assert lag.stalled(90, 20) == {}
    lag.acquired({PLACE: 20})
    see(lag, 30)
    now[0] += 3600
    assert lag.stalled(90, 20) == {PLACE: (20, 30)}


def test_a_partition_that_is_halted_while_it_is_filled_is_told_as_halted(lag: Lag) -> None:
    elsewhere = ("orders.commands", 4)
    lag.filling({elsewhere: 7})
    lag.halted(elsewhere)
    lag.acquired({PLACE: 10})
    assert {place: behind.is_halted for place, behind in lag.read().items()} == {PLACE: False, elsewhere: True}


def test_nothing_is_told_of_a_partition_that_another_process_owns(lag: Lag) -> None:
    lag.released([PLACE, ("orders.commands", 99)])
    lag.moved({PLACE: 12}, {PLACE: 1})
    see(lag, 100)
    lag.halted(PLACE)
    lag.look(lambda places: dict.fromkeys([*places, PLACE], 50))
    assert (lag.read(), lag.places, lag.stalled(0, 20)) == ({}, [], {})


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans(), st.integers(0, 10)), max_size=40))
def test_lag_is_never_less_than_what_was_appended_and_not_committed(
    steps: list[tuple[int, int, bool, int]],
) -> None:
    """Records are appended and committed in any order of events; ends are seen or not."""
    now = [1000.0]
    lag = Lag(lambda: now[0])
    lag.acquired({PLACE: 0})
    appended: list[float] = []
    committed = 0
    seen: int | None = None
    for more, done, is_seen, seconds in steps:
        appended += [now[0]] * more
        if is_seen:
            see(lag, len(appended))
            seen = len(appended)
        committed = min(committed + done, len(appended))
        if committed:
            lag.moved({PLACE: committed}, {PLACE: int(appended[committed - 1] * 1000)})
        now[0] += seconds
        found = lag.read()[PLACE]
        assert found.records == (max(0, seen - committed) if seen is not None else -1)
        if found.records > 0:
            assert found.seconds >= now[0] - appended[committed]
        else:
            assert found.seconds == 0
