"""Checkpoints that the projectors of journal and audit sign while they run."""

import time

from structlog import get_logger

from headrace.audit.checkpoints import Rewritten
from headrace.audit.checkpoints import sign as sign_chains
from headrace.audit.signing import Checkpoint, Signer
from headrace.kafka.records import Place
from headrace.kernel.errors import Misconfigured
from headrace.observe.metrics import AUDIT_CHECKPOINTS
from headrace.postgres.session import Connection, Session
from headrace.settings import Settings

log = get_logger("headrace.audit")


class IntervalSigner:
    """Signs where a projector's chains stand after so many rows, or so many seconds in which any was written.

    A history that was rewritten is no reason to stop: what is copied no more may be compacted. It is not signed, and
    the log and a metric say so at each attempt.
    """

    def __init__(self, settings: Settings, projector: str) -> None:
        if settings.audit_key is None:
            raise Misconfigured("HEADRACE_AUDIT_KEY is not set: there is no key to sign with")
        self._signer = Signer(settings.audit_key)
        self._projector = projector
        self._rows, self._seconds = settings.audit_rows, settings.audit_s
        self._unsigned = 0
        self._since = time.monotonic()
        self._known: dict[Place, Checkpoint] = {}

    def wrote(self, rows: int) -> None:
        """So many rows are committed."""
        self._unsigned += rows

    @property
    def is_due(self) -> bool:
        """Whether it is time to sign."""
        return self._unsigned >= self._rows or (self._unsigned > 0 and time.monotonic() - self._since >= self._seconds)

    def sign(self, session: Session, places: list[Place]) -> None:
        """Sign these partitions' chains."""
        made: list[Checkpoint] = []

        def write(connection: Connection) -> None:
            made[:] = sign_chains(connection, self._signer, places, self._known)

        try:
            session.persist(write)
        except Rewritten as error:
            log.critical("history was rewritten", projector=self._projector, why=str(error))
            AUDIT_CHECKPOINTS.labels(self._projector, "rewritten").inc()
        else:
            # Whoever collects logs has a copy elsewhere.
            said = [(it.topic, it.partition, it.length, it.offset, it.head, it.signature.hex()) for it in made]
            log.info("checkpoint signed", projector=self._projector, key=self._signer.key_id, chains=said)
            AUDIT_CHECKPOINTS.labels(self._projector, "signed").inc()
            self._known = {it.place: it for it in made if it.place in places}
        self._unsigned, self._since = 0, time.monotonic()
