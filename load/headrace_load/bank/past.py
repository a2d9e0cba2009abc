"""What the audit says of a bank's history: untouched, and when somebody has forged it."""

import time
from pathlib import Path
from typing import Any

from msgspec import Struct

from headrace.audit.checkpoints import stored
from headrace.audit.evidence import gather
from headrace.audit.findings import Finding
from headrace.audit.tables import Tables
from headrace.audit.verify import Report, verify_history
from headrace.avro.codec import Codec
from headrace.settings import Settings
from headrace_load.bank.forgeries import Forger, Planted, plant


class Past(Struct, frozen=True):
    """The rows that were walked along and the checkpoints they fit, in so many seconds; then each forgery's findings.

    `beside` are findings in partitions that nobody forged.
    """

    rows: int
    checkpoints: int
    seconds: float
    findings: list[Finding]
    forgeries: dict[str, list[str]] = {}
    unnamed: list[str] = []
    beside: list[Finding] = []

    @property
    def ok(self) -> bool:
        """Whether the untouched history was whole, and each forgery was named, and nothing else."""
        return not (self.findings or self.unnamed or self.beside)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"ok": self.ok} | {name: getattr(self, name) for name in self.__struct_fields__}


def look_at_history(settings: Settings, key: Path, codec: Codec, *, forge: bool) -> Past:
    """Verify the history as it is; then, when asked to `forge` it, as it is afterwards. Nothing writes it any more."""
    began = time.monotonic()
    report, checkpoints = _verified(settings, key)
    seconds = time.monotonic() - began
    rows = sum(chain.rows for chain in report.chains)
    past = Past(rows, checkpoints, seconds, report.findings)
    if not forge or report.findings:
        return past
    forger = Forger(settings)
    try:
        planted = list(plant(forger, codec))
    finally:
        forger.close()
    found = _verified(settings, key)[0].findings
    return Past(
        *(rows, checkpoints, seconds, []),
        {each.what: [_line(it) for it in found if _is_at(it, each)] for each in planted},
        [each.what for each in planted if not each.is_named(found)],
        [it for it in found if not any(_is_at(it, each) for each in planted)],
    )


def _verified(settings: Settings, key: Path) -> tuple[Report, int]:
    with Tables(settings) as tables:
        evidence = gather(stored(tables.connection), (), [Path(f"{key}.pub")])
        return verify_history(tables, evidence), sum(map(len, evidence.pins.values()))


def _is_at(finding: Finding, planted: Planted) -> bool:
    """Whether it is of that forgery's partition: as an event that is not there, or as an outcome that leads nowhere."""
    topic, partition = planted.place
    return finding.partition == partition and finding.topic.partition(".")[0] == topic.partition(".")[0]


def _line(finding: Finding) -> str:
    where = f"offset {finding.offset}, {finding.aggregate_id} version {finding.version}"
    return f"{finding.topic}[{finding.partition}] {where}: {finding.kind}: {finding.what}"
