"""A transactional producer whose every call ends in one of the ladder's ways.

librdkafka speaks the transaction protocol of before KIP-890: a request that was delayed on its way takes effect when it
comes, even in a later transaction of the same producer. Only a new epoch, which a new client brings, refuses it.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from structlog import get_logger

from headrace.failpoint import Failpoints
from headrace.kafka.clients import TRANSACTION_TIMEOUT_MS, fatal_errors_to, producer_config
from headrace.kafka.ladder import Aborted, Bounded, Unsettled, climb
from headrace.kafka.records import Place
from headrace.kafka.rights import lacking
from headrace.kernel.errors import Fault
from headrace.observe.metrics import PRODUCERS_RECYCLED
from headrace.settings import Settings

INIT_TIMEOUT_S: Final = 30.0
OUTAGE_S: Final = 150.0
"""So long a process waits for brokers that are all away, before it ends and is started again."""
PATIENCE_S: Final = 2.0
"""So long may the sending of offsets take at first; after each failure twice as long, up to a transaction's timeout."""

PAUSES_S: Final = (0.0, 0.0, 0.1, 0.3, 1.0, 3.0)
"""Before the transaction that follows so many aborted ones: what fails again and again must not fill the brokers."""

log = get_logger("headrace.producer")


class Connections:
    """Takes a client's log, the only place where librdkafka tells that a request was lost and sent again.

    A broken connection in use, or a request without an answer, is tried again inside the client: the call that waits
    for it succeeds, and the first request may still be on its way.
    """

    def __init__(self) -> None:
        self.broken = False

    def log(self, level: int, _form: str, kind: str, _client: str, line: str) -> None:
        """One line of the client's log, as confluent-kafka hands it to a logger; `level` is Python's."""
        if kind == "REQTMOUT" or (kind == "FAIL" and "in state UP" in line):
            self.broken = True
        if level >= logging.ERROR:
            log.warning("kafka client", kind=kind, line=line)


class TransactionalProducer:
    """One producer of one `transactional.id`: whoever takes the same id next fences this one.

    `beat` is told of each call that may take long.
    """

    def __init__(
        self, settings: Settings, transactional_id: str, failpoints: Failpoints, beat: Callable[[], None]
    ) -> None:
        self._id = transactional_id
        # Lines about connections are of the levels from 6 up to 3, and can be switched off.
        told = {"log_level": 6, "log.connection.close": True}
        self._config = producer_config(settings, transactional_id) | fatal_errors_to(self._stop) | told
        self._seconds = TRANSACTION_TIMEOUT_MS[settings.profile] / 1000
        self._patience = PATIENCE_S
        self._failpoints = failpoints
        self._beat = beat
        self._aborted = 0
        self._fatal: str | None = None
        self._doubtful = False
        self._open()

    def begin(self) -> None:
        """Open a transaction, with a new client if a late request of the old one could still come."""
        if self._fatal:
            raise Fault(self._fatal)
        time.sleep(PAUSES_S[min(self._aborted, len(PAUSES_S) - 1)])
        self._client.poll(0)  # brings what the client has logged
        if self._doubtful or self._connections.broken:
            self.recycle()
        self._climb(self._client.begin_transaction)

    def commit(self, offsets: dict[Place, int], group_metadata: Any) -> None:
        """Make the records and the offsets visible together.

        `Aborted`: none of them will be. `Unsettled`: it is not known; the client is a new one already, and what the
        old one had begun is ended, so the group's committed offset tells. An error of the commit itself proves
        nothing either way (librdkafka#4558).
        """
        self._beat()
        self._flush()
        self._failpoints.reach("flushed")
        try:
            self._send_offsets(offsets, group_metadata)
            self._failpoints.reach("offsets_sent")
            self._end()
        except Unsettled:
            self.recycle()
            raise
        self._aborted = 0

    def abort(self) -> None:
        """End the transaction without a trace; where that is doubtful a new client ends it, and at once.

        Whoever takes over a partition waits for this transaction's end, and that may be this process.
        """
        self._aborted += 1
        try:
            self._climb(self._client.abort_transaction, self._seconds, late=Unsettled)
        except (Aborted, Unsettled):
            self._doubtful = True
        if self._doubtful:
            self.recycle()

    def recycle(self) -> None:
        """Take a new client of the same id: the broker ends what the old one left open, and refuses what comes late."""
        log.warning("producer recycled", transactional_id=self._id)
        PRODUCERS_RECYCLED.inc()
        self._client.purge(blocking=False)
        self._calls.end()
        self._open()

    def _open(self) -> None:
        self._connections = Connections()
        self._calls = Bounded()
        self._client = Producer(self._config | {"logger": self._connections})
        self.produce = self._client.produce
        try:
            self._climb(self._client.init_transactions, INIT_TIMEOUT_S, seconds=OUTAGE_S)
        except Fault as fault:
            if _code_of(fault) == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
                raise lacking(f"WRITE transactional id {self._id}") from fault
            raise
        self._doubtful = False

    def _flush(self) -> None:
        """Wait until the brokers have the transaction's records."""
        try:
            waiting = self._client.flush(self._seconds)
        except (
            SystemError
        ) as error:  # an error in the binding's own callbacks, which a fenced client has been seen to have
            if self._fatal:
                raise Fault(self._fatal) from error
            waiting = -1
        if waiting:
            self._doubtful = True
            raise Aborted(f"{self._id}: records were not acknowledged within the transaction timeout")

    def _send_offsets(self, offsets: dict[Place, int], group_metadata: Any) -> None:
        """Make the offsets a part of the transaction; a call that does not come back is left behind with its client.

        While the group's coordinator is away or moves, librdkafka keeps no timeout here (librdkafka#5456, #5511).
        """
        positions = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
        send = self._client.send_offsets_to_transaction
        try:
            self._climb(self._calls.call, self._patience, send, positions, group_metadata, self._seconds, late=Aborted)
        except TimeoutError:
            waited = self._patience
            self._patience = min(2 * waited, self._seconds)
            raise Unsettled(f"{self._id}: the group's offsets were not accepted within {waited:.1f} s") from None
        self._patience = PATIENCE_S

    def _end(self) -> None:
        try:
            self._climb(self._client.commit_transaction, self._seconds, late=Unsettled)
        except Aborted as error:
            raise Unsettled(str(error)) from error

    def _climb(
        self, call: Callable[..., Any], *arguments: Any, seconds: float | None = None, late: type[Exception] = Fault
    ) -> None:
        """The ladder, with a sign of life at each try; what did not go through at once leaves a doubt."""

        def attempt() -> None:
            self._beat()
            call(*arguments)

        try:
            if not climb(attempt, seconds=seconds or self._seconds, late=late, name=self._id):
                self._doubtful = True
        except Aborted:
            self._doubtful = True
            raise

    def _stop(self, why: str) -> None:
        self._fatal = f"{self._id}: {why}"


def _code_of(fault: Fault) -> int | None:
    """The code of the client's error that led to a fault."""
    return fault.__cause__.args[0].code() if isinstance(fault.__cause__, KafkaException) else None
