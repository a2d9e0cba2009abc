"""A bank's days in numbers: what was requested, completed and failed on each day (UTC), by currency.

Each event counts for the day on which it occurred. All that a fact does is add, so a row is the same in whatever order
the facts of several transfers come.
"""

from datetime import date
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from headrace.kernel.message import Fact
from headrace.kernel.view import Key, Table, View
from headrace.transfers.events import Event, TransactionCompleted, TransferFailed, TransferRequested

# Every batch writes the same few rows anew: half of each page is left for that.
VOLUMES_TABLE: Final = """
CREATE TABLE transfer_volumes (
    partition        integer     NOT NULL,
    day              date        NOT NULL,
    currency         text        NOT NULL,
    requested        bigint      NOT NULL,
    requested_amount bigint      NOT NULL,
    completed        bigint      NOT NULL,
    completed_amount bigint      NOT NULL,
    failed           bigint      NOT NULL,
    failed_amount    bigint      NOT NULL,
    applied_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (partition, day, currency)
) WITH (fillfactor = 50);
COMMENT ON COLUMN transfer_volumes.requested IS 'transfers that were requested on that day; so for completed, failed';
COMMENT ON COLUMN transfer_volumes.requested_amount IS 'their amounts, in minor units of the currency; likewise';
"""

# Sums of money stay numeric: what each partition holds in 64 bits, all together may not.
VOLUMES: Final = """
SELECT day,
       currency,
       sum(requested)::bigint AS requested,
       sum(requested_amount)  AS requested_amount,
       sum(completed)::bigint AS completed,
       sum(completed_amount)  AS completed_amount,
       sum(failed)::bigint    AS failed,
       sum(failed_amount)     AS failed_amount,
       max(applied_at)        AS applied_at
FROM transfer_volumes
GROUP BY day, currency
"""

COUNTED: Final = (TransferRequested, TransactionCompleted, TransferFailed)


class VolumeRow(Struct, frozen=True):
    """What one partition's transfers add to one day, in one currency; amounts in minor units of it."""

    partition: int
    day: date
    currency: str
    requested: int = 0
    requested_amount: int = 0
    completed: int = 0
    completed_amount: int = 0
    failed: int = 0
    failed_amount: int = 0


def keys(fact: Fact[Event]) -> tuple[Key, ...]:
    """The day on which it occurred and the transfer's currency, among the rows of its partition."""
    return ((fact.partition, fact.meta.time.date(), fact.state.currency),) if isinstance(fact.event, COUNTED) else ()


def evolve(key: Key, row: VolumeRow | None, fact: Fact[Event]) -> VolumeRow:
    """The day after one more fact."""
    day, amount = row or VolumeRow(*key), fact.state.amount
    match fact.event:
        case TransferRequested():
            return replace(day, requested=day.requested + 1, requested_amount=day.requested_amount + amount)
        case TransactionCompleted():
            return replace(day, completed=day.completed + 1, completed_amount=day.completed_amount + amount)
        case TransferFailed():
            return replace(day, failed=day.failed + 1, failed_amount=day.failed_amount + amount)
        case _:
            return day


transfer_volumes = View(
    name="transfer_volumes",
    sources=("transfers",),
    table=Table(
        name="transfer_volumes",
        row=VolumeRow,
        key=("partition", "day", "currency"),
        ddl=VOLUMES_TABLE,
        sums=VOLUMES,
    ),
    keys=keys,
    evolve=evolve,
)
