"""Mutants of projectors: rows, positions, and what is held back."""

from typing import Any, Final

from msgspec import structs

from headrace.postgres.checkpoint import Superseded
from headrace_load.mutants.wrapping import Mutant, Strikes

ADVANCE: Final = "headrace.projector.writing:advance"


def fold_wrongly(
    right: Any, strikes: Strikes, fold: Any, connection: Any, view: Any, recent: int, **named: Any
) -> None:
    """An event leaves its row as it was."""

    def evolve(key: Any, row: Any, fact: Any) -> Any:
        return row if row is not None and strikes.once() else view.evolve(key, row, fact)

    right(fold, connection, structs.replace(view, evolve=evolve), recent, **named)


def advance_without_rows(right: Any, strikes: Strikes, fold: Any, *batch: Any) -> Any:
    """Checkpoints move past batches whose rows are not written; one alone the next event of a key would heal."""
    return 0 if strikes.from_then_on() else right(fold, *batch)


def leave_checkpoint(right: Any, strikes: Strikes, *batch: Any) -> None:
    """Rows are written and the checkpoint stays where it was."""
    if not strikes.from_then_on():
        right(*batch)


def ignore_fence(right: Any, strikes: Strikes, *batch: Any) -> None:
    """A projector goes on although another process has moved its checkpoints."""
    try:
        right(*batch)
    except Superseded:
        if not strikes.from_then_on():
            raise


def rewind_checkpoint(right: Any, strikes: Strikes, cursor: Any, projector: str, *batch: Any) -> None:
    """A checkpoint goes back to the beginning."""
    right(cursor, projector, *batch)
    if strikes.once():
        cursor.execute("UPDATE headrace.checkpoints SET next_offset = 0 WHERE projector = %s", [projector])


def skip_in_journal(right: Any, strikes: Strikes, journal: Any, cursor: Any, records: list[Any], *before: Any) -> Any:
    """An event is not copied into the journal."""
    return right(journal, cursor, [pair for pair in records if not strikes.once()], *before)


def skip_in_audit(right: Any, strikes: Strikes, audit: Any, cursor: Any, records: list[Any], *before: Any) -> Any:
    """An outcome is not kept in the audit."""
    return right(audit, cursor, [pair for pair in records if not strikes.once()], *before)


def project_uncommitted(right: Any, strikes: Strikes, *group: Any) -> dict[str, Any]:
    """Events are applied before they are committed, and those that never are."""
    config: dict[str, Any] = right(*group)
    return config | {"isolation.level": "read_uncommitted"} if strikes.from_then_on() else config


def forget_held(right: Any, strikes: Strikes, parking: Any, *places: Any) -> None:
    """What a projector holds back is forgotten at its next start, and what comes behind it is applied."""
    if not strikes.from_then_on():
        right(parking, *places)


def drop_held(right: Any, strikes: Strikes, parking: Any, cursor: Any, parked: list[Any]) -> None:
    """An event that cannot be applied is passed over, and held back nowhere."""
    right(parking, cursor, [one for one in parked if not strikes.once()])


MUTANTS: Final = (
    Mutant(fold_wrongly, "headrace.projector.projection:ViewFold.__init__", "rows"),
    Mutant(advance_without_rows, "headrace.projector.projection:ViewFold.write", "rows"),
    Mutant(leave_checkpoint, ADVANCE, "positions"),
    Mutant(ignore_fence, ADVANCE, "rows"),
    Mutant(rewind_checkpoint, ADVANCE, "observer"),
    Mutant(skip_in_journal, "headrace.projector.projection:Journal.prepare", "journal"),
    Mutant(skip_in_audit, "headrace.projector.projection:Audit.prepare", "audit"),
    Mutant(project_uncommitted, "headrace.projector.loop:consumer_config", "observer"),
    Mutant(forget_held, "headrace.projector.parking:Parking.load", "held"),
    Mutant(drop_held, "headrace.projector.parking:Parking._store", "rows"),
)
