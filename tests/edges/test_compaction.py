"""From where on a compacted topic is whole, while records are appended to it."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from headrace.kafka.compaction import LAG, compaction_lags_ms, whole_from
from headrace.kafka.records import Place
from headrace.local.process import until
from headrace.settings import Settings

pytestmark = pytest.mark.edge
HOUR_MS = 3_600_000


def whole(admin: AdminClient, place: Place, share: float = 1.0) -> int:
    return whole_from(admin, [place], compaction_lags_ms(admin, [place]), share)[place]


@pytest.fixture
def place(admin: AdminClient) -> Iterator[Place]:
    """A partition of its own, whose records say themselves how old they are."""
    topic = f"whole-{uuid.uuid4().hex[:8]}"
    config = {LAG: str(HOUR_MS), "cleanup.policy": "compact"}
    admin.create_topics([NewTopic(topic, 1, 1, config=config)])[topic].result()
    # The controller has it; a broker that is busy learns of it a moment later, and is asked for its settings.
    assert until(lambda: topic in admin.list_topics(timeout=10).topics, 20)
    yield topic, 0
    admin.delete_topics([topic])[topic].result()


def append(settings: Settings, place: Place, *ages_ms: int) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka, "enable.idempotence": True})
    for age in ages_ms:
        producer.produce(place[0], b"x", b"k", place[1], timestamp=int(time.time() * 1000) - age)
    producer.flush(30)


class Busy:
    """The brokers, on a partition to which somebody appends whenever they are asked for offsets."""

    def __init__(self, admin: AdminClient, settings: Settings, place: Place) -> None:
        self._admin, self._settings, self._place = admin, settings, place

    def list_offsets(self, *arguments: Any, **options: Any) -> Any:
        found = self._admin.list_offsets(*arguments, **options)
        for future in found.values():
            future.result()
        append(self._settings, self._place, 0)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._admin, name)


def test_what_is_younger_than_the_lag_is_whole(admin: AdminClient, settings: Settings, place: Place) -> None:
    assert whole(admin, place) == 0
    append(settings, place, 3 * HOUR_MS, 2 * HOUR_MS)
    assert whole(admin, place) == 2
    append(settings, place, HOUR_MS // 2, 0)
    assert whole(admin, place) == 2
    assert whole(admin, place, 0.25) == 3
    assert whole_from(admin, [], compaction_lags_ms(admin, [])) == {}


def test_what_is_appended_while_the_brokers_are_asked_is_whole_too(
    admin: AdminClient, settings: Settings, place: Place
) -> None:
    busy: Any = Busy(admin, settings, place)
    assert whole(busy, place) == 0
