"""A transactional producer whose every call ends in one of the ladder's ways."""

from typing import Any, Final

from confluent_kafka import Producer, TopicPartition
from structlog import get_logger

from headrace.failpoint import Failpoints
from headrace.kafka.clients import TRANSACTION_TIMEOUT_MS, fatal_errors_to, producer_config
from headrace.kafka.consumer import Place
from headrace.kafka.ladder import Aborted, Unsettled, climb
from headrace.kernel.errors import Fault
from headrace.settings import Settings

INIT_TIMEOUT_S: Final = 60.0

log = get_logger("headrace.producer")


class TransactionalProducer:
    """One producer of one `transactional.id`: whoever takes the same id next fences this one."""

    def __init__(self, settings: Settings, transactional_id: str, failpoints: Failpoints) -> None:
        self._id = transactional_id
        self._config = producer_config(settings, transactional_id) | fatal_errors_to(self._stop)
        self._seconds = TRANSACTION_TIMEOUT_MS[settings.profile] / 1000
        self._failpoints = failpoints
        self._fatal: str | None = None
        self._doubtful = False
        self._open()

    def begin(self) -> None:
        """Open a transaction, with a new client if a late request of the old one could still come."""
        if self._fatal:
            raise Fault(self._fatal)
        if self._doubtful:
            self.recycle()
        climb(self._client.begin_transaction, seconds=self._seconds, name=self._id)

    def commit(self, offsets: dict[Place, int], group_metadata: Any) -> None:
        """Make the records and the offsets visible together.

        `Aborted`: none of them will be. `Unsettled`: it is not known; the client is a new one already, and what the
        old one had begun is ended, so the group's committed offset tells.
        """
        if self._client.flush(self._seconds):
            self._doubtful = True
            raise Aborted(f"{self._id}: records were not acknowledged within the transaction timeout")
        self._failpoints.reach("flushed")
        positions = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
        self._climb(self._client.send_offsets_to_transaction, positions, group_metadata, self._seconds, late=Aborted)
        self._failpoints.reach("offsets_sent")
        try:
            self._climb(self._client.commit_transaction, self._seconds, late=Unsettled)
        except Unsettled:
            self.recycle()
            raise

    def abort(self) -> None:
        """End the transaction without a trace; where even that gets no answer, a new client ends it."""
        try:
            climb(self._client.abort_transaction, self._seconds, seconds=self._seconds, late=Unsettled, name=self._id)
        except (Aborted, Unsettled):
            self.recycle()

    def recycle(self) -> None:
        """Take a new client of the same id: the broker ends what the old one left open, and refuses what comes late."""
        log.warning("producer recycled", transactional_id=self._id)
        self._client.purge()
        self._open()

    def _open(self) -> None:
        self._client = Producer(self._config)
        self.produce = self._client.produce
        climb(self._client.init_transactions, INIT_TIMEOUT_S, seconds=INIT_TIMEOUT_S, name=self._id)
        self._doubtful = False

    def _climb(self, *call: Any, late: type[Exception]) -> None:
        try:
            if not climb(*call, seconds=self._seconds, late=late, name=self._id):
                self._doubtful = True
        except Aborted:
            self._doubtful = True
            raise

    def _stop(self, why: str) -> None:
        self._fatal = f"{self._id}: {why}"
