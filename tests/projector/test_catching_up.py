"""A view that is filled from the journal, step by step, while its group goes on."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.kafka.consumer import Batch, Place
from headrace.projector import catching_up
from headrace.projector.catching_up import CatchingUp
from headrace.projector.stored import StoredEvent

FIRST, SECOND = ("orders.events", 0), ("orders.events", 1)
EVENTS = 3


class FromMemory(CatchingUp, frozen=True):
    """A journal of so many events in each partition."""

    def _journal_end(self, _place: Place) -> int:
        return EVENTS

    def _events(self, place: Place, start: int, end: int) -> list[Any]:
        return [StoredEvent(*place, start, "a", b"", datetime.now(UTC))] if start < end else []


@pytest.fixture(autouse=True)
def all_compacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catching_up, "whole_from", lambda _admin, found, _share: dict.fromkeys(found, EVENTS))
    monkeypatch.setattr(catching_up, "read_to", lambda *_: iter(()))
    monkeypatch.setattr(catching_up, "log", SimpleNamespace(info=lambda *_, **__: None))


@pytest.mark.parametrize("steps", range(2 * EVENTS))
@pytest.mark.parametrize("gone", [FIRST, SECOND])
def test_a_partition_that_is_revoked_meanwhile_is_left_alone_and_the_other_one_is_filled(
    gone: Place, steps: int
) -> None:
    unused: Any = None
    places, found, positions = {FIRST, SECOND}, {FIRST: 0, SECOND: 0}, dict[Place, int]()

    def write(batch: Batch) -> bool:
        assert batch.next.keys() <= places
        positions.update(batch.next)
        return True

    running = FromMemory(unused, unused, unused, "orders_v1").run(places, found, positions, write)
    for _ in range(steps):
        next(running)
    places.discard(gone)
    positions.pop(gone, None)
    for _ in running:
        pass
    assert positions == {}
    assert all(found[place] == EVENTS for place in places)
