"""Check of what handlers restored: each said how far it had read and what it then held, by a digest of all of it."""

import json
from collections import defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from headrace_load.verify.records import Record, Row
from headrace_load.verify.report import CannotVerify, Check

EVENT: Final = b'"partition restored"'
WRAP: Final = 2**64


class Restored(NamedTuple):
    """What a handler's log says of a takeover: the fold of the events below `restored_to`."""

    log: str
    restored_to: int
    aggregates: int
    digest: str


def read_logs(folder: Path | None) -> dict[tuple[str, int], list[Restored]]:
    """All takeovers in the logs of a folder, by topic and partition, in order of offset; lines of anything else pass.

    Raises `CannotVerify` when the folder cannot be read.
    """
    found: defaultdict[tuple[str, int], list[Restored]] = defaultdict(list)
    if folder is None:
        return found
    if not folder.is_dir():
        raise CannotVerify(f"no folder {folder}: --logs takes the folder of the handlers' *.log files")
    paths = sorted(folder.glob("*.log"))
    if not paths:
        raise CannotVerify(f"no *.log file in {folder}: --logs takes the folder of the handlers' *.log files")
    for path in paths:
        for place, restored in _takeovers(path):
            found[place].append(restored)
    for takeovers in found.values():
        takeovers.sort(key=lambda one: one.restored_to)
    return found


def _takeovers(path: Path) -> Iterator[tuple[tuple[str, int], Restored]]:
    with path.open("rb") as lines:
        for line in lines:
            if EVENT not in line:
                continue
            try:
                told = json.loads(line)
                place = told["topic"], told["partition"]
                restored = Restored(path.name, told["restored_to"], told["aggregates"], told["digest"])
            except (ValueError, LookupError, TypeError):
                continue
            yield place, restored


class RestoreFold:
    """Folds a partition's events as a takeover does, and compares at each offset that a handler had restored to.

    The digest adds up, over the newest record of each key, the first 8 bytes of BLAKE2b of key, a zero byte and value.
    """

    def __init__(self, takeovers: list[Restored], place: str, check: Check) -> None:
        self._waiting = list(reversed(takeovers))
        self._place = place
        self._check = check
        self._newest: dict[bytes, int] = {}

    def see(self, record: Record | None, row: Row | None) -> None:
        """The next event, as the topic has it or, where it is compacted, as the journal has it."""
        if not self._waiting:
            return
        if record is not None:
            offset, key, value = record.offset, record.key or b"", record.value
        elif row is not None:
            offset, key, value = row.offset, row.aggregate_id.encode(), row.record
        else:
            return
        self.compare_below(offset)
        if value is None:
            self._newest.pop(key, None)
        else:
            self._newest[key] = int.from_bytes(blake2b(key + b"\0" + value, digest_size=8).digest())

    def close(self, end: int) -> None:
        """Compare those that are left, at the log's end, and name those that say they had read beyond it."""
        self.compare_below(end)
        for told in self._waiting:
            self._check.count(takeovers=1, aggregates=told.aggregates)
            self._check.problem(f"{told.log}: restored {self._place} to {told.restored_to}, the log ends at {end}")
        self._waiting = []

    def compare_below(self, offset: float) -> None:
        """Compare all takeovers that had read to this offset, or less far."""
        while self._waiting and self._waiting[-1].restored_to <= offset:
            told = self._waiting.pop()
            mine = (len(self._newest), f"{sum(self._newest.values()) % WRAP:016x}")
            self._check.count(takeovers=1, aggregates=told.aggregates)
            if mine != (told.aggregates, told.digest.lower().removeprefix("0x").zfill(16)):
                self._check.problem(
                    f"{told.log}: restored {self._place} to {told.restored_to} as {told.aggregates} aggregates, digest "
                    f"{told.digest}; the log has {mine[0]}, digest {mine[1]}"
                )
