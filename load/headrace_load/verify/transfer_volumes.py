"""The verifier's own model of the volumes of transfers: what each event adds to a day, within its partition."""

from datetime import UTC, datetime
from typing import Any, Final

from headrace_load.verify.transfers import Fields, Transfer

PROJECTOR: Final = "transfer_volumes_v1"
TABLE: Final = "transfer_volumes_v1.transfer_volumes"
KEY: Final = ("partition", "day", "currency")
SUMMED: Final = (
    "requested", "requested_amount", "completed", "completed_amount", "failed", "failed_amount",
)  # fmt: skip
# What readers see under the plain name.
SEEN: Final = "public.transfer_volumes"
SEEN_KEY: Final = KEY[1:]
SEEN_COLUMNS: Final = SUMMED
COUNTED: Final = ("TransferRequested", "TransactionCompleted", "TransferFailed")

Rows = dict[tuple[Any, ...], tuple[Any, ...]]


def key(partition: int, name: str, event: Fields, transfer: Transfer) -> tuple[Any, ...] | None:
    """The row that an event counts in, None where it counts in none."""
    day = datetime.fromtimestamp(event["meta"]["occurred_at"] // 1000, UTC).date()
    return (partition, day, transfer.currency) if name in COUNTED else None


def adds(name: str, _event: Fields, transfer: Transfer) -> tuple[int, ...]:
    """What an event adds to its row, in the order of SUMMED."""
    return tuple(it for step in COUNTED for it in ((1, transfer.amount) if step == name else (0, 0)))


def seen(rows: Rows) -> Rows:
    """What readers see of the partitions' rows: their sums."""
    together: Rows = {}
    for (_, *day), row in rows.items():
        before = together.get(tuple(day))
        together[tuple(day)] = tuple(map(sum, zip(before, row, strict=True))) if before else row
    return together
