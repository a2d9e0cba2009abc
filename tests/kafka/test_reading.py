"""What brokers tell of a partition while its leader moves. The client is scripted; tests/faults has real brokers."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from headrace.kafka import reading
from headrace.kafka.reading import high_watermarks, read_offsets
from headrace.kernel.errors import Fault, Misconfigured

PLACE = ("orders.events", 3)


class Told:
    def __init__(self, offset: int) -> None:
        self.offset = offset


class Admin:
    """Answers as told, the last answer again and again; and says whose leaders were looked up."""

    def __init__(self, *answers: int | KafkaException) -> None:
        self._answers = list(answers)
        self.looked_up: list[str] = []
        self.is_missing = False

    def list_offsets(self, wanted: dict[TopicPartition, Any], **_named: object) -> dict[TopicPartition, Future[Told]]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        future: Future[Told] = Future()
        if isinstance(answer, KafkaException):
            future.set_exception(answer)
        else:
            future.set_result(Told(answer))
        return dict.fromkeys(wanted, future)

    def list_topics(self, topic: str, timeout: float) -> Any:
        assert timeout
        self.looked_up.append(topic)
        error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART) if self.is_missing else None
        return SimpleNamespace(topics={topic: SimpleNamespace(error=error)})


STALE = KafkaException(KafkaError(KafkaError.FENCED_LEADER_EPOCH))
REFUSED = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))


@pytest.mark.parametrize("first", [STALE, OFFSET_INVALID], ids=["an old leader", "no leader, and no error"])
def test_offsets_are_asked_for_again_of_the_leaders_that_there_are_now(first: int | KafkaException) -> None:
    admin = Admin(first, 42)
    assert high_watermarks(admin, [PLACE]) == {PLACE: 42}  # type: ignore[arg-type]
    assert admin.looked_up == ["orders.events"]


@pytest.mark.parametrize("always", [STALE, OFFSET_INVALID], ids=["an old leader", "no leader, and no error"])
def test_offsets_that_nobody_tells_for_long_are_a_fault_and_never_a_number(always: int | KafkaException) -> None:
    with pytest.raises(Fault, match="the brokers do not tell their offsets"):
        read_offsets(Admin(always), [PLACE], OffsetSpec.latest(), patience_s=0.2)  # type: ignore[arg-type]


def test_offsets_of_a_topic_that_there_is_not_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MISSING_S", 0.2)
    admin = Admin(STALE)
    admin.is_missing = True
    with pytest.raises(Misconfigured, match=r"topics orders\.events do not exist: run `headrace topics create`"):
        high_watermarks(admin, [PLACE])  # type: ignore[arg-type]


def test_offsets_that_may_not_be_asked_for_are_a_fault_at_once() -> None:
    admin = Admin(REFUSED)
    with pytest.raises(Fault, match="Topic authorization failed"):
        high_watermarks(admin, [PLACE])  # type: ignore[arg-type]
    assert admin.looked_up == []
