"""A batch on its way into the database, when its records are no longer in memory."""

from typing import Any

from msgspec import Struct

from headrace.kafka.records import Place
from headrace.observe.loop import Timing
from headrace.postgres.checkpoint import Step
from headrace.projector.writing import Work


class Extent(Struct, frozen=True):
    """Where a batch lies in the log: what is to be known of it when its records are no longer in memory."""

    first: dict[Place, int]
    next: dict[Place, int]
    records: int
    steps: list[Step]
    asked_at: int
    timing: Timing


class Ready(Struct, frozen=True):
    """A batch that is read: prepared for the thread that writes it, or as work to be done at once."""

    extent: Extent
    prepared: Any = None
    work: Work | None = None
