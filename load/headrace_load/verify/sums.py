"""Check of tables whose rows are no aggregate's own: what each partition has, and what readers see of that."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from operator import add
from typing import Any, Final

from headrace_load.verify import order_statistics, statements, transfer_volumes
from headrace_load.verify.database import Database
from headrace_load.verify.records import Place
from headrace_load.verify.report import Check
from headrace_load.verify.schemas import Decoded

MODELS: Final[dict[str, tuple[Any, ...]]] = {
    "orders": (order_statistics,),
    "accounts": (statements,),
    "transfers": (transfer_volumes,),
}
"""By domain: models of such tables, for the domains that the verifier knows."""

Rows = dict[tuple[Any, ...], tuple[Any, ...]]


class Sums:
    """Such a table, folded from the journal without what its projector holds back or was told to give up.

    All of it only adds, so an event that waited counts as soon as it is applied, whatever came before it.
    """

    def __init__(self, model: Any, not_applied: Collection[Place] = frozenset()) -> None:
        self._model = model
        self._not_applied = not_applied
        self.rows: Rows = {}

    def apply(self, place: tuple[int, str, int], event: Decoded, aggregate: Any) -> None:
        """Add one event of a partition, an aggregate and an offset; the aggregate is as it is after the event."""
        if place[1:] in self._not_applied:
            return
        key = self._model.key(place[0], event.form.name, event.fields, aggregate)
        if key is None:
            return
        adds = self._model.adds(event.form.name, event.fields, aggregate)
        before = self.rows.get(key)
        self.rows[key] = tuple(map(add, before, adds)) if before else adds

    def compare(self, database: Database, check: Check) -> None:
        """Note how the table, and what readers see of it, differ from what they must be."""
        model = self._model
        for table, key, columns, expected in (
            (model.TABLE, model.KEY, model.SUMMED, dict(self.rows)),
            (model.SEEN, model.SEEN_KEY, model.SEEN_COLUMNS, model.seen(self.rows)),
        ):
            check.count(summed=len(expected))
            found = ((row[: len(key)], row[len(key) :]) for row in database.table(table, (*key, *columns)))
            for problem in _differences(columns, expected, found):
                check.problem(f"{table} {problem}")


def tables(domain: str, not_applied: Mapping[str, Collection[Place]]) -> dict[str, Sums]:
    """The domain's tables of these projectors, empty; each with the events that do not count in it."""
    return {
        model.PROJECTOR: Sums(model, not_applied[model.PROJECTOR])
        for model in MODELS.get(domain, ())
        if model.PROJECTOR in not_applied
    }


def _differences(
    columns: tuple[str, ...], expected: Rows, found: Iterable[tuple[tuple[Any, ...], tuple[Any, ...]]]
) -> Iterator[str]:
    """How rows, by key, differ from those that must be there. Empties `expected`."""
    for key, row in found:
        wanted = expected.pop(key, None)
        if wanted is None:
            yield f"{_text(key)}: no event in the journal leads to this row"
        elif row != wanted:
            each = zip(columns, row, wanted, strict=True)
            yield f"{_text(key)}: {', '.join(f'{name} is {is_}, must be {it}' for name, is_, it in each if is_ != it)}"
    for key in expected:
        yield f"{_text(key)}: the row is missing"
    expected.clear()


def _text(key: tuple[Any, ...]) -> str:
    return " ".join(map(str, key))
