"""What a run has found: what is wrong, and the figures beside it."""

import re
import signal
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from headrace_load.chaos.cast import Cast
from headrace_load.chaos.resources import Trend
from headrace_load.chaos.schedule import Planned, as_json
from headrace_load.chaos.watch import Gap
from headrace_load.observe import Observed
from headrace_load.verify import Report

WRONG_USE: Final = 2
UNWILLING: Final = {-signal.SIGABRT, -signal.SIGKILL}
TOLD: Final = {
    0: "told to stop",
    -signal.SIGTERM: "told to stop before it had begun",
    -signal.SIGABRT: "aborted, since it did not stop",
    -signal.SIGKILL: "killed, since it did not even abort",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run: the schedule, what is wrong, and what was seen.

    `sent` counts what clients were told of their records, `asked` what they meant by them; `endings` says by service
    how often its processes ended and why.
    """

    seed: int
    minutes: float
    planned: tuple[Planned, ...]
    findings: list[str]
    report: Report
    sent: dict[str, int]
    asked: dict[str, int]
    outcomes: int
    gaps: list[Gap]
    observed: Observed
    trends: list[Trend]
    longest_open_s: float
    endings: dict[str, Counter[str]]
    quiet_s: float

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """The result for programs."""
        return {
            "ok": self.ok,
            "seed": self.seed,
            "minutes": self.minutes,
            "findings": self.findings,
            "schedule": as_json(self.planned),
            "sent": self.sent,
            "asked": self.asked,
            "outcomes": self.outcomes,
            "longest_without_progress": [asdict(gap) for gap in self.gaps],
            "observed": self.observed.as_json(),
            "resources": [asdict(trend) for trend in self.trends],
            "longest_open_transaction_s": round(self.longest_open_s, 1),
            "endings": {name: dict(why) for name, why in self.endings.items()},
            "quiet_after_s": round(self.quiet_s, 1),
            "verification": self.report.as_json(),
        }


def of_report(report: Report) -> Iterator[str]:
    """What the verifier says is wrong."""
    for check in report.checks:
        yield from (f"{check.name}: {problem}" for problem in check.problems)
        if more := check.problems_total - len(check.problems):
            yield f"{check.name}: and {more:,} more"


def of_cast(cast: Cast) -> Iterator[str]:
    """Processes that ended as none may: by an exception, by a refusal, by a signal that nobody sent, or not at all."""
    yield from (f"an exception that nobody foresaw: {where}" for where in cast.tracebacks())
    for gone in cast.stage.services.exits:
        if gone.code == WRONG_USE:
            yield f"{gone.name} (pid {gone.pid}) refused its configuration after {gone.ran:.1f} s"
        elif gone.code < 0 and gone.code != -signal.SIGKILL and gone.pid not in cast.aborted:
            yield f"{gone.name} (pid {gone.pid}) died of {signal.Signals(-gone.code).name} after {gone.ran:.1f} s"
    for (name, code), count in sorted(cast.stopped.items()):
        if code in UNWILLING:
            yield f"{name} did not stop when it was told to, {count} times: its log says where it was"


def endings(cast: Cast) -> dict[str, Counter[str]]:
    """By service, why its processes ended: killed, told to stop, or what it said itself, without the numbers in it."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for gone in cast.stage.services.exits:
        if gone.code < 0:
            found[gone.name][f"killed by {signal.Signals(-gone.code).name}"] += 1
    for (name, code), count in cast.stopped.items():
        if code in TOLD:
            found[name][TOLD[code]] += count
    for name, lines in cast.last_words().items():
        for line, count in lines.items():
            found[name][re.sub(r"\d+", "N", line.removeprefix("headrace: "))[:110]] += count
    return dict(found)
