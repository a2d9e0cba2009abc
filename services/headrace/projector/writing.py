"""How batches get into the database: each by a thread of its own, while the next one is read and folded.

What a batch needs of the database is read before the batch in front of it is written, on another connection; the rows
that this one changes, and those that were written lately, are taken from memory. That is sound, since nobody else
writes them while the checkpoints stand where this process has left them, and each transaction begins with a look at
those.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from msgspec import Struct

from headrace.failpoint import Failpoints
from headrace.kafka.records import Place
from headrace.kernel.errors import Fault
from headrace.observe.loop import Timing
from headrace.postgres.checkpoint import Step, advance, refuse_moved, was_committed
from headrace.postgres.ladder import Rung, judge
from headrace.postgres.schema import refuse_unmigrated
from headrace.postgres.session import Connection, Session
from headrace.projector.kind import Kind
from headrace.projector.parking import Applied, Parking
from headrace.projector.projection import Projection, apply
from headrace.projector.reading import Pair, Unreadable
from headrace.projector.reasons import reason
from headrace.settings import Settings

LOOK_S: Final = 60.0
"""How often the checkpoints are looked at where no batch does it, besides at each new connection."""


class Work(Struct, frozen=True):
    """One batch, read: its records, what cannot be read, and how the checkpoints move."""

    pairs: list[Pair]
    unreadable: list[Unreadable]
    steps: list[Step]

    @property
    def places(self) -> list[Place]:
        """Its partitions."""
        return [(step.topic, step.partition) for step in self.steps]


class Poisoned(Exception):  # noqa: N818 - it says what is to be done, and no more
    """Something in a batch is poison: it is to be read and applied anew, around that."""


class Writing:
    """One projector's transactions; `owned` are the partitions that are its own, as they are at any time."""

    def __init__(
        self, kind: Kind, settings: Settings, is_stopping: Callable[[], bool], owned: Mapping[Place, int]
    ) -> None:
        self._kind = kind
        self._owner = settings.instance
        self._owned = owned
        self._failpoints = Failpoints(settings)
        self.session = Session(settings, f"headrace {kind.name}", is_stopping)
        connection = self.session.connection
        refuse_unmigrated(connection, (kind.view,) if kind.view else ())
        connection.commit()
        self._projection: Projection = kind.projection(connection, settings)
        # Journal and audit read no rows to change them.
        self._reads = (
            Session(settings, f"headrace {kind.name} reads", is_stopping, autocommit=True) if kind.view else None
        )
        self._connects, self._looked_at = self.session.connects, time.monotonic()
        self.parking = Parking(kind.name)
        self._is_poisoned = False
        self._thread = ThreadPoolExecutor(1, f"{kind.name} writes")

    def prepare(self, work: Work, before: Any) -> Any:
        """What a batch leads to, `before` being that of the batch that is still written; None to have it applied.

        That is so where events cannot be read or wait in `parked`, and where one breaks the view's code or did so.
        """
        if self._is_poisoned or work.unreadable or self.parking.holds_any(work.places):
            return None
        found: list[Any] = []

        def fold(connection: Connection) -> None:
            found[:] = [self._projection.prepare(connection.cursor, work.pairs, before)]

        try:
            if self._reads:
                self._reads.persist(fold)
            else:
                fold(self.session.connection)
        except Exception as error:
            if judge(error) is not Rung.POISON:
                raise
            return None
        return found[0]

    def begin(self, steps: list[Step], prepared: Any, timing: Timing) -> "Future[Applied]":
        """Have the thread write what is prepared; its future raises `Poisoned` when the batch is to be applied."""

        def write() -> Applied:
            try:
                applied = self._persist(steps, lambda cursor: Applied(self._projection.write(cursor, prepared)))
            except Exception as error:
                if judge(error) is not Rung.POISON:
                    raise
                self._is_poisoned = True
                raise Poisoned from error
            timing.end()
            return applied

        return self._thread.submit(write)

    def written(self, prepared: Any) -> None:
        """What was prepared is committed, and need not be read for the batches that follow."""
        self._projection.keep(prepared)

    def look(self) -> None:
        """`Superseded` when the database lacks what was written to it, as a replica that took over may; see `LOOK_S`.

        Asked between two batches. Of a partition without new events nobody else would tell.
        """
        if self._connects == self.session.connects and time.monotonic() < self._looked_at + LOOK_S:
            return
        self.session.persist(lambda connection: refuse_moved(connection, self._kind.name, self._owned))
        if self._connects != self.session.connects and self._reads:
            self._reads.connect_anew()  # so that both look at the same server
        self._connects, self._looked_at = self.session.connects, time.monotonic()

    def forget(self) -> None:
        """Partitions are taken over: others have written their rows."""
        self._projection.forget()

    def apply(self, work: Work) -> Applied:
        """Write a batch now, and when something in it is poison, all around that."""
        self._projection.forget()  # where something is parked, a redrive writes rows too
        if work.unreadable:
            self._refuse_to_skip(work, work.unreadable[0][1])
        try:
            applied = self._persist(work.steps, lambda cursor: self._apply(cursor, work))
        except Exception as error:
            if judge(error) is not Rung.POISON:
                raise
            self._refuse_to_skip(work, error)
            applied = self._persist(work.steps, lambda cursor: self._apply(cursor, work, search=True))
        self._is_poisoned = False
        return applied

    def pass_over(self, steps: list[Step]) -> None:
        """Move the checkpoints past what holds no record."""
        self._persist(steps, lambda _: Applied())

    def close(self) -> None:
        """Wait for what is being written, and end the connections."""
        self._thread.shutdown()
        self.session.close()
        if self._reads:
            self._reads.close()

    def _apply(self, cursor: Any, work: Work, *, search: bool = False) -> Applied:
        if search or work.unreadable or self.parking.holds_any(work.places):
            return self.parking.apply_around(cursor, self._projection, work.pairs, work.unreadable, search=search)
        return Applied(apply(self._projection, cursor, work.pairs))

    def _persist(self, steps: list[Step], write: Callable[[Any], Applied]) -> Applied:
        """Rows, parked events and positions in one transaction, until it is known to be committed."""
        applied: list[Applied] = []

        def transaction(connection: Connection) -> None:
            with connection.transaction(), connection.cursor() as cursor:
                advance(cursor, self._kind.name, self._owner, steps)
                self._failpoints.reach("advanced")
                applied[:] = [write(cursor)]
                self._failpoints.reach("applied")

        def settled(connection: Connection) -> bool:
            with connection.transaction(), connection.cursor() as cursor:
                done = was_committed(cursor, self._kind.name, steps)
                self.parking.load(cursor, self._owned)
            return done

        self.session.persist(transaction, settled)
        self._failpoints.reach("committed")
        return applied[0]

    def _refuse_to_skip(self, work: Work, error: Exception) -> None:
        """A view sets aside what it cannot apply; journal and audit stop, as the journal's docstring says."""
        if self._kind.view is not None:
            return
        first = min(work.steps)
        where = f"{first.topic}[{first.partition}] from offset {first.before} on"
        if work.unreadable:
            record = work.unreadable[0][0]
            where = f"{record.topic()}[{record.partition()}] offset {record.offset()}"
        raise Fault(f"{where}: {reason(error)}; the {self._kind.name} stops here, since it skips nothing") from error
