"""The run: servers and services, load, one fault after the other, then quiet and the verifier."""

import heapq
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from headrace.kernel.errors import Fault
from headrace.local import Patience
from headrace_load.chaos import findings
from headrace_load.chaos.cast import Cast
from headrace_load.chaos.findings import Result
from headrace_load.chaos.resources import Resources
from headrace_load.chaos.schedule import CALM_END_S, Planned
from headrace_load.chaos.server_faults import FAULTS
from headrace_load.chaos.traffic import Traffic
from headrace_load.chaos.watch import Happened, Watch
from headrace_load.demo.quiet import Quiet
from headrace_load.demo.stage import DOMAIN, PARTITIONS, Stage
from headrace_load.observe import Observer
from headrace_load.verify import Evidence, verify
from headrace_load.verify.topics import Topics

RATE: Final = 120.0
QUIET_S: Final = 60.0
"""Within so long after the last heal all is answered, applied and settled, or it is a finding."""
CALM_S: Final = 5.0
# Small segments, cleaned as soon as they may be; the lag is what the journal is given to copy them.
COMPACTED: Final = {
    "segment.ms": "5000",
    "min.cleanable.dirty.ratio": "0.01",
    "min.compaction.lag.ms": "60000",
    "max.compaction.lag.ms": "70000",
}
# Who is killed again and again by a fault is no crash loop.
PATIENT: Final = Patience(longest_pause=1.0, exits=40, within=60.0)

Told = Callable[[str], None]
"""Is told of each thing that happens."""


def run(stage: Stage, planned: tuple[Planned, ...], seed: int, minutes: float, told: Told) -> Result:
    """Let it all happen on a stage whose servers are up, and return what was found."""
    stage.prepare(COMPACTED, "production")
    cast = Cast(stage)
    cast.start_all()
    stage.wait(cast.all_own_partitions, "every service has partitions", 60)
    told(f"{len(cast.playing)} services are up")
    watch, resources = Watch(stage.settings, PARTITIONS), Resources(cast)
    history = stage.folder / "history.jsonl"
    traffic = Traffic(stage.settings, seed, RATE, history)
    observer = Observer(stage.settings.kafka, stage.settings.database, DOMAIN)
    with watch, resources, observer:
        happened = _play(cast, planned, minutes, traffic, told)
        healed = time.monotonic()
        unquiet = _wait_for_quiet(stage)
        quiet_s = time.monotonic() - healed
        told(unquiet or f"all is quiet {quiet_s:.1f} s after the last heal")
        deaths = len(stage.services.exits)
        time.sleep(CALM_S)
        dying = [gone.name for gone in stage.services.exits[deaths:]]
    if unquiet:
        cast.abort_all()
    evidence = Evidence((history,), stage.folder / "logs")
    report = verify(stage.settings.kafka, stage.settings.database, stage.schemas, [DOMAIN], evidence=evidence)
    observed = observer.report()
    found = [
        *([unquiet] if unquiet else []),
        *(f"seen meanwhile: {problem}" for problem in observed.problems),
        *(f"{name} ended without a fault, in the calm after them" for name in dying),
        *findings.of_report(report),
        *findings.of_cast(cast),
    ]
    return Result(
        seed=seed,
        minutes=minutes,
        planned=planned,
        findings=found,
        report=report,
        sent={str(result): count for result, count in traffic.results.items()},
        asked=dict(traffic.shop.counts),
        outcomes=watch.outcomes,
        gaps=watch.gaps(happened, healed),
        observed=observed,
        trends=resources.trends(),
        longest_open_s=resources.longest_open_s,
        endings=findings.endings(cast),
        quiet_s=quiet_s,
    )


def _play(cast: Cast, planned: tuple[Planned, ...], minutes: float, traffic: Traffic, told: Told) -> list[Happened]:
    """Break and heal as planned, while the load goes on; whatever happens, everything is healed and all is sent.

    The schedule's clock stands still while a fault is brought about, which may take long: faults keep their order and
    the time between them, and the last ones are left out when the minutes are over.
    """
    began, lost = time.monotonic(), 0.0
    happened: list[Happened] = []
    broken: dict[int, tuple[ExitStack, float]] = {}
    steps = [(one.at, one.number, one) for one in planned]
    with ExitStack() as undo:
        undo.callback(traffic.stop)
        traffic.start()
        while steps:
            at, number, one = heapq.heappop(steps)
            too_late = at + lost + one.seconds > minutes * 60 - CALM_END_S / 2
            if number not in broken and too_late:
                told(f"{at + lost:6.1f} s  too late for {one.fault}: {one.target}")
                continue
            time.sleep(max(0.0, began + at + lost - time.monotonic()))
            now = time.monotonic()
            if number in broken:
                fault, since = broken.pop(number)
                fault.close()
                happened.append(Happened(one, since, time.monotonic()))
                told(f"{now - began:6.1f} s  … healed: {one.fault}, {one.target}")
            else:
                told(f"{now - began:6.1f} s  {one.fault}: {one.target} {one.detail}".rstrip())
                fault = undo.enter_context(ExitStack())
                fault.enter_context(FAULTS[one.fault](cast, one))
                broken[number] = fault, now
                heapq.heappush(steps, (at + one.seconds, number, one))
            lost += time.monotonic() - now
        time.sleep(max(0.0, began + minutes * 60 - time.monotonic()))
    told(f"{time.monotonic() - began:6.1f} s  all is healed; {traffic.results.total():,} records were sent")
    return happened


def _wait_for_quiet(stage: Stage) -> str:
    """Wait until all is answered and applied, and no transaction is open; what did not come, or nothing."""
    quiet = Quiet(stage.settings.kafka, stage.settings.database, DOMAIN)
    deadline = time.monotonic() + QUIET_S
    try:
        for holds, what in (
            (quiet.answered, "every command is answered"),
            (quiet.applied, "every event is in the read models"),
            (lambda: _is_settled(stage), "no transaction is open"),
        ):
            stage.wait(holds, what, max(1.0, deadline - time.monotonic()))
    except Fault as error:
        return str(error)
    return ""


def _is_settled(stage: Stage) -> bool:
    with Topics(stage.settings.kafka) as topics:
        ends = topics.ends(DOMAIN, PARTITIONS)
    return all(end.stable == end.high for kinds in ends for end in kinds.values())
