"""The kinds of projectors: a view's, the journal and the audit; what each reads, and what it does with it."""

from collections.abc import Callable
from typing import Any, TypeAlias

import psycopg
from msgspec import Struct

from headrace.avro.codec import Codec, Decoded, Undecodable
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import AUDIT, JOURNAL, App
from headrace.kernel.message import Outcome
from headrace.kernel.view import View
from headrace.projector.projection import Audit, Journal, Projection, ViewFold
from headrace.settings import Settings

Decode: TypeAlias = Callable[[Codec, bytes], Decoded]
"""What makes of a record's value what a projector reads; `Undecodable` for what it does not read."""


class Kind(Struct, frozen=True):
    """What one projector reads, and how; `view` is None for those that copy everything, and park nothing.

    `name` is what its checkpoints, its group and its metrics are named after.
    """

    name: str
    aggregates: tuple[Aggregate[Any, Any, Any], ...]
    topics: list[str]
    decode: Decode
    view: View[Any] | None = None

    def projection(self, connection: psycopg.Connection[Any], settings: Settings) -> Projection:
        """What applies its records."""
        by_python = settings.codec == "python"
        if self.view is not None:
            return ViewFold(connection, self.view, settings.recent_rows, by_python=by_python)
        return Audit(by_python=by_python) if self.name == AUDIT else Journal(settings.recent_rows, by_python=by_python)


def kind_of(app: App, name: str) -> Kind:
    """The projector of a view, the journal or the audit; `Misconfigured` for another name."""
    every = app.aggregates
    if name == JOURNAL:
        # What it copies, everything else is filled from: it takes nothing that would not decode to the end.
        return Kind(JOURNAL, every, [aggregate.event_topic for aggregate in every], Codec.check_event)
    if name == AUDIT:
        return Kind(AUDIT, every, [aggregate.outcome_topic for aggregate in every], decode_outcome)
    view = app.view(name)
    aggregates = tuple(app.aggregate(source) for source in view.sources)
    return Kind(view.schema, aggregates, [aggregate.event_topic for aggregate in aggregates], Codec.decode_event, view)


def decode_outcome(codec: Codec, value: bytes) -> Decoded:
    """An outcome; `Undecodable` for any other record."""
    decoded = codec.decode(value)
    if type(decoded.body) is not Outcome:
        raise Undecodable(f"a {decoded.contract.name} is no outcome")
    return decoded
