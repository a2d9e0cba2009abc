"""Every transactional call on every rung of the ladder: what the producer does about it, and what its caller is told.

The client is scripted: it raises what confluent-kafka raises. What brokers do is for tests/faults, on real ones.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from headrace.failpoint import Failpoints
from headrace.kafka import producer as module
from headrace.kafka.ladder import Aborted, Unsettled
from headrace.kafka.producer import TransactionalProducer
from headrace.kernel.errors import Fault
from headrace.settings import Settings

SETTINGS = Settings(KAFKA_BOOTSTRAP_SERVERS="nowhere:1", HEADRACE_PROFILE="local")
OFFSETS = {("orders.commands", 0): 7}


def error(code: int, *, fatal: bool = False, retriable: bool = False, abortable: bool = False) -> KafkaException:
    return KafkaException(KafkaError(code, "as told", fatal, retriable, abortable))


RETRIABLE = error(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, retriable=True)
TIMED_OUT = error(KafkaError._TIMED_OUT, retriable=True)
ABORTABLE = error(KafkaError.ILLEGAL_GENERATION, abortable=True)
FATAL = error(KafkaError._FENCED, fatal=True)
ODD = error(KafkaError.INVALID_TXN_STATE)


class Script:
    """What the next calls raise, by name; and what was called, by the number of the client and the name."""

    def __init__(self) -> None:
        self.raises: dict[str, list[KafkaException]] = defaultdict(list)
        self.always: dict[str, KafkaException] = {}
        self.called: list[tuple[int, str]] = []
        self.clients = 0

    def client(self, config: dict[str, Any]) -> "Scripted":
        self.clients += 1
        return Scripted(self, self.clients, config)


class Scripted:
    """A client that does as its script says."""

    def __init__(self, script: Script, number: int, config: dict[str, Any]) -> None:
        self._script = script
        self._number = number
        self.logger = config["logger"]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*_arguments: object, **_named: object) -> int:
            self._script.called.append((self._number, name))
            if self._script.raises[name]:
                raise self._script.raises[name].pop(0)
            if name in self._script.always:
                raise self._script.always[name]
            return 0

        return call


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    script = Script()
    monkeypatch.setattr(module, "Producer", script.client)
    monkeypatch.setitem(module.TRANSACTION_TIMEOUT_MS, "local", 50)  # a retriable error is given up soon
    return script


def opened(beat: Callable[[], None] = lambda: None) -> TransactionalProducer:
    return TransactionalProducer(SETTINGS, "orders.0", Failpoints(SETTINGS), beat)


def begun() -> TransactionalProducer:
    producer = opened()
    producer.begin()
    return producer


def commit(producer: TransactionalProducer) -> None:
    producer.commit(OFFSETS, "metadata")


@pytest.mark.parametrize("call", ["init_transactions", "begin_transaction", "commit_transaction", "abort_transaction"])
@pytest.mark.parametrize("raised", [FATAL, ODD], ids=["fatal", "of no kind"])
def test_a_fatal_error_of_any_call_ends_the_process(script: Script, call: str, raised: KafkaException) -> None:
    script.raises[call] = [raised]
    with pytest.raises(Fault, match="as told"):
        through_all_calls()


@pytest.mark.parametrize("raised", [FATAL, ODD], ids=["fatal", "of no kind"])
def test_a_fatal_error_of_the_offsets_ends_the_process(script: Script, raised: KafkaException) -> None:
    script.raises["send_offsets_to_transaction"] = [raised]
    with pytest.raises(Fault, match="as told"):
        commit(begun())


def through_all_calls() -> None:
    producer = begun()
    commit(producer)
    producer.begin()
    producer.abort()


@pytest.mark.parametrize(
    "call",
    [
        "init_transactions",
        "begin_transaction",
        "send_offsets_to_transaction",
        "commit_transaction",
        "abort_transaction",
    ],
)
def test_a_retriable_error_of_any_call_is_tried_again(script: Script, call: str) -> None:
    script.raises[call] = [RETRIABLE]
    through_all_calls()
    assert script.raises[call] == []


@pytest.mark.parametrize("call", ["send_offsets_to_transaction", "commit_transaction"])
def test_what_was_tried_again_brings_a_new_client_before_the_next_transaction(script: Script, call: str) -> None:
    producer = begun()
    script.raises[call] = [RETRIABLE]
    commit(producer)
    assert script.clients == 1
    producer.begin()
    assert script.clients == 2


def test_a_connection_that_broke_brings_a_new_client_before_the_next_transaction(script: Script) -> None:
    producer = begun()
    commit(producer)
    producer._client.logger.log(20, "", "FAIL", "", "Disconnected (after 9 ms in state UP)")
    producer.begin()
    producer.begin()
    assert script.clients == 2


@pytest.mark.parametrize("raised", [ABORTABLE, TIMED_OUT], ids=["abortable", "never in time"])
def test_offsets_that_are_refused_or_late_abort(script: Script, raised: KafkaException) -> None:
    producer = begun()
    script.always["send_offsets_to_transaction"] = raised
    with pytest.raises(Aborted, match="as told"):
        commit(producer)
    producer.abort()
    assert (1, "commit_transaction") not in script.called
    assert script.called[-2:] == [(1, "purge"), (2, "init_transactions")]


@pytest.mark.parametrize("raised", [ABORTABLE, TIMED_OUT], ids=["abortable", "never in time"])
def test_an_error_of_the_commit_itself_tells_nothing_of_what_became_of_it(
    script: Script, raised: KafkaException
) -> None:
    producer = begun()
    script.always["commit_transaction"] = raised
    with pytest.raises(Unsettled, match="as told"):
        commit(producer)
    assert script.clients == 2
    assert (2, "init_transactions") in script.called


def test_offsets_that_never_come_back_are_left_behind_with_their_client(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = begun()

    def late(_self: object, _seconds: float, *_call: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(module.Bounded, "call", late)
    with pytest.raises(Unsettled, match="the group's offsets were not accepted within"):
        commit(producer)
    assert script.clients == 2


@pytest.mark.parametrize("raised", [ABORTABLE, TIMED_OUT], ids=["abortable", "never in time"])
def test_an_abort_that_fails_is_left_to_a_new_client(script: Script, raised: KafkaException) -> None:
    producer = begun()
    script.always["abort_transaction"] = raised
    producer.abort()
    assert script.clients == 2


def test_transactions_that_fail_again_and_again_are_begun_more_slowly(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused: list[float] = []
    monkeypatch.setattr(module.time, "sleep", paused.append)
    producer = opened()
    for _ in range(8):
        producer.begin()
        producer.abort()
    producer.begin()
    commit(producer)
    producer.begin()
    assert paused == [*module.PAUSES_S, *[module.PAUSES_S[-1]] * 3, 0.0]
    assert script.clients == 1


def test_each_call_is_a_sign_of_life(script: Script) -> None:
    beats: list[int] = []
    producer = opened(lambda: beats.append(len(script.called)))
    producer.begin()
    commit(producer)
    assert len(beats) >= 5
