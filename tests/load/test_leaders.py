"""Whom the ends that a partition's leaders tell show to be wrong."""

from headrace_load.observe.leaders import SETTLES_S, End, Leaders


def test_under_one_leader_whoever_is_beyond_its_end_is_wrong_at_once() -> None:
    leaders = Leaders()
    assert leaders.beyond(End(10, 3), {"handler": 10, "journal": 11}, now=0) == {"journal": 11}
    assert leaders.beyond(End(12, 3), {"handler": 11, "journal": 12}, now=1) == {}
    assert leaders.beyond(End(12, 3), {"journal": 13}, now=2) == {"journal": 13}


def test_a_new_leader_is_given_time_until_it_is_level() -> None:
    leaders = Leaders()
    leaders.beyond(End(10, 3), {"journal": 10}, now=0)
    assert leaders.beyond(End(8, 4), {"journal": 12}, now=1) == {}
    assert leaders.beyond(End(12, 4), {"journal": 12}, now=2) == {}
    assert leaders.beyond(End(12, 4), {"journal": 13}, now=3) == {"journal": 13}, (
        "level with its predecessor, it is believed"
    )


def test_a_new_leader_that_is_never_level_is_believed_in_the_end() -> None:
    leaders = Leaders()
    leaders.beyond(End(10, 3), {"journal": 10}, now=0)
    assert leaders.beyond(End(10, 4), {"journal": 12}, now=1) == {}
    assert leaders.beyond(End(10, 4), {"journal": 12}, now=1 + SETTLES_S) == {}
    assert leaders.beyond(End(10, 4), {"journal": 12}, now=1.1 + SETTLES_S) == {"journal": 12}


def test_a_leader_that_was_followed_by_another_calls_nobody_wrong() -> None:
    leaders = Leaders()
    leaders.beyond(End(10, 4), {"journal": 10}, now=0)
    assert leaders.beyond(End(8, 3), {"journal": 11}, now=1) == {}
    assert leaders.beyond(End(10, 4), {"journal": 11}, now=2) == {"journal": 11}


def test_an_end_that_was_told_once_holds_on() -> None:
    leaders = Leaders()
    leaders.beyond(End(10, 3), {}, now=0)
    assert leaders.beyond(End(8, 4), {"journal": 10}, now=1) == {}
    assert leaders.end == 10


def test_brokers_that_tell_no_epoch_are_believed() -> None:
    leaders = Leaders()
    assert leaders.beyond(End(10, None), {"journal": 11}, now=0) == {"journal": 11}
    leaders.beyond(End(10, 3), {"journal": 10}, now=1)
    assert leaders.beyond(End(10, None), {"journal": 12}, now=2) == {"journal": 12}
