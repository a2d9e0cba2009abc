"""What the journal and the tables say of a load, by the brokers' clock."""

from typing import Any, Final

import psycopg

STATUSES: Final = "SELECT status, count(*) FROM transfers GROUP BY status"
ASIDE: Final = "SELECT coalesce(sum(held), 0) FROM accounts"
REASONS: Final = "SELECT code, count(*) FROM transfers WHERE code IS NOT NULL GROUP BY code ORDER BY code"
# From the request's command to the record of the end, as they lie in the log: a commit later it is visible.
LATENCIES: Final = """
    SELECT percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP
               (ORDER BY date_part('epoch', logged_at - requested_at) * 1000),
           count(*) / nullif(date_part('epoch', max(logged_at) - min(requested_at)), 0)
    FROM headrace.journal JOIN transfers ON transfer_id = aggregate_id
    WHERE record_type = 'TransactionCompleted' AND topic = 'transfers.events' AND reviewed_by IS NULL
        AND requested_at >= (SELECT min(requested_at) FROM transfers) + make_interval(secs => %(warm_up_s)s)"""
PLACES: Final = "SELECT projector, topic, partition, next_offset FROM headrace.checkpoints ORDER BY 1, 2, 3"


class Figures:
    """Asks the database; a connection that broke is opened anew. So many seconds' latencies do not count."""

    def __init__(self, url: str, warm_up_s: float) -> None:
        self._url = url
        self._warm_up_s = warm_up_s

    def statuses(self) -> dict[str, int]:
        """How many transfers there are in each status."""
        return dict(self._rows(STATUSES))

    def is_at_rest(self) -> bool:
        """Whether no transfer is under way as far as the read models know."""
        return {*self.statuses()} <= {"completed", "failed", "awaiting_review"} and self._rows(ASIDE) == [(0,)]

    def places(self) -> list[tuple[Any, ...]]:
        """Where each projector stands."""
        return self._rows(PLACES)

    def all(self) -> dict[str, Any]:
        """Statuses, reasons, milliseconds from request to completion, and transfers a second."""
        [(percentiles, rate)] = self._rows(LATENCIES)
        p50, p99, most = percentiles or (None, None, None)
        return {
            "statuses": self.statuses(),
            "reasons": dict(self._rows(REASONS)),
            "request_to_completed_ms": {"p50": p50, "p99": p99, "max": most},
            "completed_per_s": rate,
        }

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._url) as connection:
            return connection.execute(query.encode(), {"warm_up_s": self._warm_up_s}).fetchall()
