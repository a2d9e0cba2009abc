"""How long a position stood still while there was something to do."""

from headrace_load.observe.progress import Progress


def noted(*samples: tuple[float, int, int]) -> Progress:
    progress = Progress()
    for now, position, end in samples:
        assert not progress.note(now, position, end)
    return progress


def test_a_position_that_moves_at_every_sample_stood_still_for_a_sample_at_most() -> None:
    assert noted((0, 0, 9), (1, 3, 9), (2, 6, 9), (3, 9, 9)).longest == 1


def test_a_standstill_lasts_until_the_sample_that_sees_progress() -> None:
    progress = noted((0, 0, 9), (1, 3, 9), (2, 3, 9), (8, 4, 9), (9, 9, 9))
    assert (progress.longest, progress.began) == (7, 1)


def test_a_standstill_that_has_not_ended_counts() -> None:
    assert noted((0, 0, 0), (1, 0, 5), (31, 0, 5)).longest == 30


def test_nothing_to_do_is_no_standstill() -> None:
    assert noted((0, 5, 5), (60, 5, 5), (61, 5, 6), (62, 6, 6), (99, 6, 6)).longest == 1


def test_a_position_that_goes_back_is_told() -> None:
    progress = noted((0, 5, 5))
    assert progress.note(1, 4, 5)
    assert not progress.note(2, 4, 5)
