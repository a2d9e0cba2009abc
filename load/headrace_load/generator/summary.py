"""What a run came to: its metrics, whether they are as wanted, and all that a report needs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from headrace.kernel.errors import Misconfigured
from headrace_load.generator.histogram import Histogram
from headrace_load.generator.run import Finding, Moment
from headrace_load.generator.scenario import Scenario
from headrace_load.generator.thresholds import Judged, judge, parse
from headrace_load.verify import Report

FILE: Final = "summary.json"
LATE_MS: Final = 10.0
"""A generator of which one command in a hundred was later than this was itself the bottleneck."""

# Which of the verifier's checks tell of what: a problem of theirs is one command or event that is not as it must be.
LOST: Final = ("acknowledged", "answers", "journal", "rows")
DUPLICATED: Final = ("effects", "resends", "senders")
ORDER: Final = ("versions", "facts", "keys", "order")


class Circumstances(Struct, frozen=True):
    """Where a run took place: machine and versions, the services' settings, and their CPU a command if it is known."""

    environment: dict[str, Any]
    settings: dict[str, Any]
    cpu_us: dict[str, float] = {}


class Summary(Struct, kw_only=True):
    """One run; latencies in milliseconds, `curves` by what was timed as (percentile, milliseconds)."""

    name: str
    started_at: str
    scenario: dict[str, Any]
    settings: dict[str, Any]
    environment: dict[str, Any]
    cpu_us: dict[str, float]
    metrics: dict[str, float | None]
    latencies: dict[str, dict[str, Any]]
    curves: dict[str, list[tuple[float, float]]]
    moments: list[Moment]
    thresholds: list[Judged]
    verification: dict[str, Any]
    remarks: list[str]
    ok: bool = False


def metrics_of(finding: Finding, report: Report) -> dict[str, float | None]:
    """Every metric that a threshold can name."""
    counts, seen, moments = finding.counts, finding.seen, finding.moments
    problems = {check.name: check.problems_total for check in report.checks}
    sent = max(counts.sent, 1)
    metrics: dict[str, float | None] = {
        f"{percentile}_{name}_ms": value
        for name, histogram in finding.histograms.items()
        for percentile, value in histogram.as_json().items()
        if percentile != "count"
    }
    return metrics | {
        "sent": counts.sent,
        "acked": counts.acked,
        "failed": counts.failed,
        "unknown": counts.unknown,
        "dropped": counts.dropped,
        "lost": sum(problems.get(name, 0) for name in LOST),
        "duplicated": sum(problems.get(name, 0) for name in DUPLICATED),
        "out_of_order": sum(problems.get(name, 0) for name in ORDER),
        "problems": sum(problems.values()),
        "sent_per_second": rate(counts.sent, finding.sending_s),
        "answered_per_second": rate(seen.outcomes, seen.last_outcome),
        "events_per_second": rate(seen.events, seen.last_outcome),
        "rows_per_second": rate(seen.rows, seen.last_row),
        "max_handler_lag": max((moment.handler_lag for moment in moments), default=0),
        "max_view_lag": max((moment.view_lag for moment in moments), default=0),
        "undrained": finding.undrained,
        "drain_s": round(finding.drain_s, 3),
        "generator_cpu_us": round(finding.sender_cpu_s / sent * 1e6, 2),
        "observer_cpu_us": round(seen.cpu_s / max(seen.outcomes + seen.events, 1) * 1e6, 2),
    }


def summarize(name: str, scenario: Scenario, finding: Finding, report: Report, circumstances: Circumstances) -> Summary:
    """The run judged: by its thresholds, and by the verifier, whose problems no threshold can excuse."""
    metrics = metrics_of(finding, report)
    judged = [judge(parse(text), metrics) for text in scenario.thresholds]
    proven = named(finding, report)
    return Summary(
        name=name,
        started_at=datetime.fromtimestamp(finding.start, UTC).isoformat(timespec="seconds"),
        scenario=msgspec.json.decode(msgspec.json.encode(scenario)),
        settings=circumstances.settings,
        environment=circumstances.environment,
        cpu_us=circumstances.cpu_us,
        metrics=metrics,
        latencies={of: histogram.as_json() for of, histogram in finding.histograms.items()},
        curves={of: histogram.curve() for of, histogram in finding.histograms.items()},
        moments=finding.moments,
        thresholds=judged,
        verification=report.as_json() | {"named": proven},
        remarks=remarks(finding, metrics),
        ok=report.ok and all(one["ok"] for one in proven.values()) and all(one.ok for one in judged),
    )


def named(finding: Finding, report: Report) -> dict[str, dict[str, Any]]:
    """The two that a load is for, each in a line: how much was proven at what rate, and in which order."""
    checks = {check.name: check for check in report.checks}
    order = [checks[name] for name in ORDER if name in checks]
    versions = checks["versions"].counted
    rate_of = rate(finding.seen.outcomes, finding.seen.last_outcome)
    return {
        "throughput": {
            "ok": not finding.undrained and not finding.counts.unknown,
            "says": f"{finding.counts.acked:,} commands confirmed, {finding.seen.outcomes:,} answered at "
            f"{rate_of:,.0f} a second, {finding.seen.rows:,} events in the read model",
        },
        "partition order": {
            "ok": all(check.ok for check in order),
            "says": f"{versions['events']:,} events of {versions['aggregates']:,} aggregates: versions without a gap, "
            f"in offset order, in the order of their commands; {checks['order'].counted['pairs']:,} commands lie "
            f"behind the one that was confirmed before they were sent",
        },
    }


def remarks(finding: Finding, metrics: dict[str, float | None]) -> list[str]:
    """What a reader of the figures must know."""
    found = []
    late = metrics["p99_lateness_ms"]
    untaken = finding.counts.untaken
    missed = finding.counts.dropped - untaken
    if (late is not None and late > LATE_MS) or missed:
        found.append(
            f"the generator was the bottleneck: 1 % of the commands were sent {late or 0:,.0f} ms late or later, "
            f"{missed:,} arrivals were dropped; latencies count from when a command was due"
        )
    if untaken:
        found.append(
            f"the brokers were the bottleneck: they did not take what was sent, and {untaken:,} arrivals were dropped "
            f"behind it"
        )
    if finding.counts.unknown:
        found.append(f"of {finding.counts.unknown:,} commands nobody knows whether they lie in the log")
    if finding.undrained:
        found.append(f"not drained: {finding.undrained:,} commands or events were left when nothing moved any more")
    if finding.stride > 1:
        found.append(f"every {finding.stride}th event and outcome was timed")
    return found


def write(summary: Summary, histograms: dict[str, Histogram], folder: Path) -> None:
    """Write `summary.json`, and a `.hgrm` for each histogram."""
    text = msgspec.json.format(msgspec.json.encode(summary), indent=1)
    (folder / FILE).write_bytes(text + b"\n")
    for name, histogram in histograms.items():
        histogram.write(folder / f"{name}.hgrm")


def read(path: Path) -> Summary:
    """The summary in a run's folder, or in the file itself; `Misconfigured` when there is none."""
    file = path / FILE if path.is_dir() else path
    try:
        return msgspec.json.decode(file.read_bytes(), type=Summary)
    except (OSError, msgspec.MsgspecError) as error:
        raise Misconfigured(f"{file} is no summary of a run ({error}): name the folder of a run") from error


def rate(count: int, seconds: float) -> float:
    """So many a second."""
    return round(count / seconds, 1) if seconds > 0 else 0.0
