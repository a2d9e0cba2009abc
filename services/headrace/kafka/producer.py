"""A transactional producer whose every call ends in one of three ways: done, aborted and to be done again, or fatal."""

import time
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import KafkaException, Producer, TopicPartition

from headrace.failpoint import Failpoints
from headrace.kafka.clients import TRANSACTION_TIMEOUT_MS, fatal_errors_to, producer_config
from headrace.kafka.consumer import Place
from headrace.kernel.errors import Fault
from headrace.settings import Settings

INIT_TIMEOUT_S: Final = 60.0


class Aborted(Exception):  # noqa: N818 - a result, and no error: nothing of the transaction will ever be seen
    """The transaction is to be aborted; its records are to be read and processed again by whoever owns them then."""


class TransactionalProducer:
    """One producer of one `transactional.id`: whoever takes the same id next fences this one."""

    def __init__(self, settings: Settings, transactional_id: str, failpoints: Failpoints) -> None:
        self._id = transactional_id
        self._failpoints = failpoints
        self._fatal: str | None = None
        self._deadline_s = TRANSACTION_TIMEOUT_MS[settings.profile] / 1000
        self._client = Producer(producer_config(settings, transactional_id) | fatal_errors_to(self._stop))
        self.produce = self._client.produce
        self._call(self._client.init_transactions, INIT_TIMEOUT_S, within_s=2 * INIT_TIMEOUT_S)

    def begin(self) -> None:
        """Open a transaction."""
        if self._fatal:
            raise Fault(self._fatal)
        self._call(self._client.begin_transaction)

    def commit(self, offsets: dict[Place, int], group_metadata: Any) -> None:
        """Make the records and the offsets visible together; `Aborted` when none of them will be."""
        if self._client.flush(self._deadline_s):
            raise Fault(f"{self._id}: records were not acknowledged within the transaction timeout")
        self._failpoints.reach("flushed")
        positions = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
        self._call(self._client.send_offsets_to_transaction, positions, group_metadata, self._deadline_s)
        self._failpoints.reach("offsets_sent")
        self._call(self._client.commit_transaction, -1)

    def abort(self) -> None:
        """End the transaction without a trace."""
        self._call(self._client.abort_transaction, -1)

    def _call(self, call: Callable[..., Any], *arguments: Any, within_s: float | None = None) -> None:
        deadline = time.monotonic() + (within_s or self._deadline_s)
        while True:
            try:
                call(*arguments)
            except KafkaException as error:
                cause = error.args[0]
                if cause.fatal():
                    raise Fault(f"{self._id}: {cause.name()}: {cause.str()}") from error
                if cause.txn_requires_abort():
                    raise Aborted(f"{cause.name()}: {cause.str()}") from error
                if not cause.retriable() or time.monotonic() > deadline:
                    raise Fault(f"{self._id}: {call.__name__}: {cause.name()}: {cause.str()}") from error
            else:
                return

    def _stop(self, why: str) -> None:
        self._fatal = f"{self._id}: {why}"
