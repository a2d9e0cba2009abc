"""A view is a pure fold from facts to the rows of one table."""

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from typing import Any, Final, Generic, TypeAlias, TypeVar

from msgspec import Struct, structs

from headrace.kernel.aggregate import refuse_bad_name, refuse_mutable
from headrace.kernel.errors import Fault, Misconfigured
from headrace.kernel.message import Fact

RowT = TypeVar("RowT", bound=Struct)
Key: TypeAlias = tuple[Any, ...]

MAX_VERSION = 999
PARTITION: Final = "partition"
"""The column of the key by which replicas keep their rows apart, in a table whose rows gather several aggregates."""
NO_IDS: Final = (date, datetime, time, timedelta, bool, float)
"""Types of columns that cannot hold an aggregate's id."""


class Table(Struct, Generic[RowT], frozen=True, kw_only=True):
    """The table that holds a view's rows.

    `row` is a frozen Struct whose fields are columns of the table; `key` names the columns of its primary key; `ddl`
    creates the table and its indexes. A column that the row does not name takes its default at every write; of the
    others those are refused that would not give back what they are given, as `real` and `char(3)`.

    A table whose rows gather several aggregates has the column `partition` in its key, since each replica folds only
    the rows of its own partitions, and a SELECT in `sums` that adds them up: readers see it under the table's name.
    """

    name: str
    row: type[RowT]
    key: tuple[str, ...]
    ddl: str
    sums: str = ""

    def __post_init__(self) -> None:
        """Refuse a name that is none, rows that could be changed in place, and keys that are none or would collide."""
        refuse_bad_name("table", self.name)
        refuse_mutable(f"the row of table {self.name}", self.row)
        missing = set(self.key) - set(self.row.__struct_fields__)
        if missing or not self.key:
            raise Misconfigured(
                f"table {self.name}: key columns {sorted(missing)} are not fields of {self.row.__name__}"
            )
        self._refuse_shared_rows()

    @property
    def is_summed(self) -> bool:
        """Whether a row gathers several aggregates, of one partition."""
        return PARTITION in self.key

    def is_own(self, key: Key, fact: Fact[Any]) -> bool:
        """Whether the row is touched by facts of one partition only, as far as this fact can tell."""
        if self.is_summed:
            return bool(key[self.key.index(PARTITION)] == fact.partition)
        own = fact.meta.aggregate_id
        return own in key or any(str(part) == own for part in key)

    def _refuse_shared_rows(self) -> None:
        kinds = {field.name: field.type for field in structs.fields(self.row)}
        if self.is_summed and not self.sums:
            raise Misconfigured(
                f"table {self.name} has the {PARTITION} in its key: say in sums, a SELECT, how readers see its rows "
                f"added up"
            )
        if self.sums and not self.is_summed:
            raise Misconfigured(
                f"table {self.name}: sums adds up what each partition has: put the column {PARTITION} into the key"
            )
        if not self.is_summed and all(kinds[name] in NO_IDS for name in self.key):
            raise Misconfigured(
                f"table {self.name}: no column of the key {self.key} can hold an aggregate's id, so replicas would "
                f"write the same rows: put the column {PARTITION} into the key, and add the rows up in sums"
            )


class View(Struct, Generic[RowT], frozen=True, kw_only=True):
    """A read model: which rows a fact touches, and what each becomes.

    `sources` names the aggregates whose facts are read. `keys(fact)` returns the keys of the rows that a fact touches,
    each a tuple in the order of `table.key`. `evolve(key, row, fact)` returns the row after the fact, None for no row.
    Each key holds the aggregate's id or, where a row gathers several aggregates, the fact's partition: see `Table`.
    Such rows come out the same in whatever order their aggregates' facts come in, since parked ones come later.
    With several sources each key also holds the name of the fact's source, with which `fact.topic` begins, in a column
    of its own: aggregates of one id may be two replicas'. Readers join what belongs together.
    A change of meaning is a new `version`: it has a schema of its own and is filled beside the old one.
    """

    name: str
    sources: tuple[str, ...]
    table: Table[RowT]
    keys: Callable[[Fact[Any]], Iterable[Key]]
    evolve: Callable[[Key, RowT | None, Fact[Any]], RowT | None]
    version: int = 1

    def __post_init__(self) -> None:
        """Refuse a name or a version that could not stand in the name of a Postgres schema."""
        refuse_bad_name("view", self.name)
        if not 1 <= self.version <= MAX_VERSION:
            raise Misconfigured(f"view {self.name}: versions count from 1 to {MAX_VERSION}")
        if self.table.is_summed and len(self.sources) > 1:
            raise Misconfigured(
                f"view {self.name} reads {' and '.join(self.sources)}, whose partitions of one number may be two "
                f"replicas': make it a view for each"
            )
        if self._is_of_several and len(self.table.key) == 1:
            raise Misconfigured(
                f"view {self.name} reads {' and '.join(self.sources)}, whose aggregates of one id may be two "
                f"replicas': put a column with the source's name into the key of its table, or make it a view for each"
            )

    @property
    def schema(self) -> str:
        """The Postgres schema that holds this version's table."""
        return f"{self.name}_v{self.version}"

    def touched(self, fact: Fact[Any]) -> list[Key]:
        """The keys of the rows that a fact touches; `Fault` for one that another replica could touch as well."""
        found = list(map(tuple, self.keys(fact)))
        is_own = self.table.is_own
        for key in found:
            rest = self._without_source(key, fact) if self._is_of_several else key
            if not is_own(rest, fact):
                raise Fault(
                    f"view {self.name}: the key {key!r} has neither the id of its aggregate nor, in a column "
                    f"{PARTITION}, its partition: replicas would overwrite each other's rows"
                )
        return found

    @property
    def _is_of_several(self) -> bool:
        return len(self.sources) > 1

    def _without_source(self, key: Key, fact: Fact[Any]) -> Key:
        source = fact.topic.partition(".")[0]
        if source not in key:
            raise Fault(
                f"view {self.name}: the key {key!r} does not have the name of its source, {source}: aggregates of one "
                f"id may be two replicas', which would overwrite each other's rows"
            )
        at = key.index(source)
        return key[:at] + key[at + 1 :]
