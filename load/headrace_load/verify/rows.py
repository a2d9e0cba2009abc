"""Checks of what events add up to: the state in each event, and the rows of the read model."""

from collections.abc import Collection, Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final

from headrace_load.verify import accounts, orders, transfers
from headrace_load.verify.report import PROBLEMS_KEPT, Check
from headrace_load.verify.schemas import Decoded

MODELS: Final[dict[str, Any]] = {"orders": orders, "accounts": accounts, "transfers": transfers}
"""By domain: a model of its own, for the domains that the verifier knows."""


def digest(row: tuple[Any, ...]) -> bytes:
    """What rows are compared by: the same in every process."""
    return blake2b(repr(row).encode(), digest_size=8).digest()


class Fold:
    """A domain's journal, folded. What it keeps of a finished partition is a hash of each row.

    `not_applied` names events, by aggregate id and offset, that the view's projector holds back or was told to give
    up: they count for the states, and not for the rows.
    """

    def __init__(self, model: Any, states: Check, not_applied: Collection[tuple[str, int]] = frozenset()) -> None:
        self._model = model
        self._states = states
        self._not_applied = not_applied
        self._open: dict[str, Any] = {}
        self._behind: dict[str, Any] = {}
        self._events = 0
        self.rows: dict[str, bytes] = {}

    def apply(self, aggregate_id: str, offset: int, event: Decoded) -> Any:
        """Fold one event in, and compare the state that it carries; the aggregate after it, None if it is unknown."""
        model, (form, fields) = self._model, event
        if form.name not in model.STEPS:
            self._states.problem(f"{aggregate_id}: the verifier's model knows no {form.name}")
            return None
        before = self._open.get(aggregate_id)
        order = model.after(before, form.name, fields)
        for problem in (*model.broken_rules(before, form.name, fields), *model.wrong_state(order, fields["state"])):
            self._states.problem(f"{aggregate_id} version {fields['meta']['version']} ({form.name}): {problem}")
        self._open[aggregate_id] = order
        self._events += 1
        if (aggregate_id, offset) in self._not_applied:
            self._behind.setdefault(aggregate_id, before)
        elif aggregate_id in self._behind:
            self._behind[aggregate_id] = model.after(self._behind[aggregate_id], form.name, fields)
        return order

    def close_partition(self) -> None:
        """Forget a partition's aggregates but for their rows; no other partition has events of them."""
        self.rows.update((key, digest(row)) for key, row in self.open_rows().items())
        self._open, self._behind = {}, {}
        self._states.count(events=self._events)
        self._events = 0

    def open_rows(self) -> dict[str, tuple[Any, ...]]:
        """The rows of the open partition, by aggregate."""
        shown = {**self._open, **self._behind} if self._behind else self._open
        return {key: self._model.row(key, order) for key, order in shown.items() if order is not None}


def compare_rows(
    table: str, expected: dict[str, bytes], rows: Iterable[tuple[Any, ...]], check: Check
) -> list[tuple[Any, ...]]:
    """Note missing and extra rows; return the first rows that differ, for `explain` to say how. Empties `expected`."""
    different: list[tuple[Any, ...]] = []
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - it is what is left of it that counts
        wanted = expected.pop(row[0], None)
        if wanted is None:
            check.problem(f"{table} {row[0]} has a row, and no event in the journal")
        elif wanted == digest(row):
            continue
        elif len(different) < PROBLEMS_KEPT:
            different.append(row)
        else:
            check.problem(f"{table} {row[0]} differs, as others do")
    for key in expected:
        check.problem(f"{table} {key} has events in the journal, and no row")
    # Under the plain name readers see the same rows once more.
    check.count(**{"seen" if table.startswith("public.") else "rows": count}, missing=len(expected))
    expected.clear()
    return different


def explain(
    table: str,
    columns: tuple[str, ...],
    different: Iterable[tuple[Any, ...]],
    expected: dict[str, tuple[Any, ...]],
    check: Check,
) -> None:
    """Say column by column how rows differ from what they must be."""
    for row in different:
        wanted = expected.get(row[0], row)
        check.problem(f"{table} {row[0]}: {', '.join(_differences(columns, row, wanted)) or 'it differs'}")


def _differences(columns: tuple[str, ...], row: tuple[Any, ...], wanted: tuple[Any, ...]) -> Iterator[str]:
    for name, is_, must_be in zip(columns, row, wanted, strict=True):
        if is_ != must_be:
            yield f"{name} is {is_!r}, must be {must_be!r}"
