"""A view that is filled from the journal, step by step, while its group goes on."""

from collections.abc import Generator
from datetime import UTC, datetime
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.kafka.consumer import Batch
from headrace.kafka.records import Place
from headrace.projector import catching_up
from headrace.projector.catching_up import CatchingUp
from headrace.projector.stored import StoredEvent

FIRST, SECOND = ("orders.events", 0), ("orders.events", 1)
EVENTS = 3


class FromMemory(CatchingUp, frozen=True):
    """A journal of so many events in each partition."""

    events: dict[Place, int]

    def _journal_end(self, place: Place) -> int:
        return self.events[place]

    def _events(self, place: Place, start: int, end: int) -> list[Any]:
        return [StoredEvent(*place, start, "a", b"", datetime.now(UTC))] if start < end else []


class Filling:
    """Two partitions that are filled; what of them may be compacted, and how far the journal has them."""

    def __init__(self) -> None:
        self.whole = {FIRST: EVENTS, SECOND: EVENTS}
        self.events = dict(self.whole)
        self.places, self.found = {FIRST, SECOND}, {FIRST: 0, SECOND: 0}
        self.positions: dict[Place, int] = {}
        self.is_stopping = False

    def write(self, batch: Batch) -> None:
        assert batch.next.keys() <= self.places
        if not self.is_stopping:
            self.positions.update(batch.next)

    def run(self) -> Generator[None, None, None]:
        unused: Any = None
        view = FromMemory(unused, unused, unused, "orders_v1", {}, self.events)
        return view.run(self.places, self.found, self.positions, self.write)


@pytest.fixture
def filling(monkeypatch: pytest.MonkeyPatch) -> Filling:
    filling = Filling()
    monkeypatch.setattr(catching_up, "compaction_lags_ms", lambda *_: {})
    monkeypatch.setattr(catching_up, "whole_from", lambda *_: dict(filling.whole))
    monkeypatch.setattr(catching_up, "read_to", lambda *_: iter(()))
    monkeypatch.setattr(catching_up, "log", SimpleNamespace(info=lambda *_, **__: None))
    return filling


@pytest.mark.parametrize("steps", range(2 * EVENTS))
@pytest.mark.parametrize("gone", [FIRST, SECOND])
def test_a_partition_that_is_revoked_meanwhile_is_left_alone_and_the_other_one_is_filled(
    filling: Filling, gone: Place, steps: int
) -> None:
    running = filling.run()
    for _ in islice(running, steps):
        pass
    filling.places.discard(gone)
    filling.positions.pop(gone, None)
    for _ in running:
        pass
    assert filling.positions == {}
    assert all(filling.found[place] == EVENTS for place in filling.places)


@pytest.mark.parametrize("steps", range(2 * EVENTS))
@pytest.mark.parametrize("busy", [FIRST, SECOND])
def test_what_grows_old_while_partitions_are_filled_is_read_from_the_journal_too(
    filling: Filling, busy: Place, steps: int
) -> None:
    running = filling.run()
    for _ in islice(running, steps):
        pass
    filling.whole[busy] = filling.events[busy] = 2 * EVENTS
    for _ in running:
        pass
    assert filling.found == filling.whole


def test_marks_behind_the_last_event_are_not_waited_for(filling: Filling) -> None:
    filling.whole[FIRST] += 1
    for _ in islice(running := filling.run(), 100):
        pass
    assert next(running, "over") == "over"
    assert filling.found == {FIRST: EVENTS, SECOND: EVENTS}


def test_events_that_are_not_written_since_the_process_is_to_stop_are_not_passed_over(filling: Filling) -> None:
    running = filling.run()
    next(running)
    filling.is_stopping = True
    assert len(list(islice(running, 100))) == 100
    assert filling.positions == {FIRST: 1}
