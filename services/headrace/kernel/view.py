"""A view is a pure fold from facts to the rows of one table."""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeAlias, TypeVar

from msgspec import Struct

from headrace.kernel.aggregate import refuse_bad_name
from headrace.kernel.errors import Misconfigured
from headrace.kernel.message import Fact

RowT = TypeVar("RowT", bound=Struct)
Key: TypeAlias = tuple[Any, ...]

MAX_VERSION = 999


class Table(Struct, Generic[RowT], frozen=True, kw_only=True):
    """The table that holds a view's rows.

    `row` is a Struct whose fields are columns of the table; `key` names the columns of its primary key; `ddl` creates
    the table and its indexes. A column that the row does not name takes its default at every write.
    """

    name: str
    row: type[RowT]
    key: tuple[str, ...]
    ddl: str

    def __post_init__(self) -> None:
        """Refuse a name that is none, and a key that the row does not have."""
        refuse_bad_name("table", self.name)
        missing = set(self.key) - set(self.row.__struct_fields__)
        if missing or not self.key:
            raise Misconfigured(
                f"table {self.name}: key columns {sorted(missing)} are not fields of {self.row.__name__}"
            )


class View(Struct, Generic[RowT], frozen=True, kw_only=True):
    """A read model: which rows a fact touches, and what each becomes.

    `sources` names the aggregates whose facts are read. `keys(fact)` returns the keys of the rows that a fact touches,
    each a tuple in the order of `table.key`. `evolve(key, row, fact)` returns the row after the fact, None for no row.
    A view whose key is not the aggregate id has the partition in its key, since each replica folds only its own rows.
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

    @property
    def schema(self) -> str:
        """The Postgres schema that holds this version's table."""
        return f"{self.name}_v{self.version}"
