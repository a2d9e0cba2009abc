"""Everything at once: commands that arrive whatever becomes of them, and how long until their events and rows are seen.

Generator and observer are those of `headrace load run`, and share the machine with what they measure.
"""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import psycopg

from headrace.kernel.app import JOURNAL
from headrace.kernel.errors import Fault
from headrace.settings import Tuning
from headrace_load.bench.figures import Results
from headrace_load.bench.service import Service
from headrace_load.bench.stage import Stage
from headrace_load.generator.arrivals import Arrivals, Constant, Flood
from headrace_load.generator.run import Finding, run
from headrace_load.generator.scenario import Mix, Scenario, Uniform

KEYS: Final = 20_000
AT_LENGTH: Final = 12
"""So many times as many commands are two minutes of everything at once, at 20,000 a second."""
TOLD: Final = {"event": ("p50", "p95", "p99"), "row": ("p50", "p99")}
LAST: Final = "SELECT max(advanced_at) FROM headrace.checkpoints"


def at_rates(stage: Stage, rates: Sequence[int], seconds: float, tuning: Tuning = "default") -> Results:
    """One handler and one view's projector under each rate in turn, so many seconds each.

    Latencies are of the second half: the broker is another by then.
    """
    results: Results = {}
    stage.reset()
    with ExitStack() as stack:
        handler, _ = _start(stage, stack, "orders", HEADRACE_TUNING=tuning)
        for rate in rates:
            before, broker_before = handler.cpu_s, stage.broker_cpu_s
            found = _load(stage, Constant(rate=rate, duration_s=seconds), seconds / 2)
            sent = found.counts.sent
            who = f"live, {rate:,} a second{_tuned(tuning)}"
            for name, percentiles in TOLD.items():
                latencies = found.histograms[f"command_to_{name}"].as_json()
                results |= {f"{who}.{name}_{each}_ms": latencies[each] for each in percentiles}
            results |= {
                f"{who}.cpu_us": (handler.cpu_s - before) / sent * 1e6,
                f"{who}.broker_cpu_us": (stage.broker_cpu_s - broker_before) / sent * 1e6,
                f"{who}.generator_cpu_us": found.sender_cpu_s / sent * 1e6,
            }
    return results


def all_at_once(stage: Stage, commands: int, tuning: Tuning = "default") -> Results:
    """The handler and all projectors, while commands come as fast as the broker takes them: to the last row of all."""
    stage.reset()
    with ExitStack() as stack:
        _start(stage, stack, *(view.name for view in stage.app.views), JOURNAL, HEADRACE_TUNING=tuning)
        found = _load(stage, Flood(count=commands), 0)
    with psycopg.connect(stage.settings.database) as connection:
        ((last,),) = connection.execute(LAST).fetchall()
    rate = found.seen.events / (last.timestamp() - found.start)
    return {f"everything at once{_tuned(tuning)}.events_per_s": rate}


def _tuned(tuning: Tuning) -> str:
    return "" if tuning == "default" else f", tuned for {tuning}"


def _start(stage: Stage, stack: ExitStack, *projectors: str, **variables: str) -> list[Service]:
    """The handler first."""
    services = [stack.enter_context(stage.service("handle", "orders", "--slot", "bench", **variables))]
    services += [stack.enter_context(stage.service("project", name, **variables)) for name in projectors]
    for service in services:
        service.ready(stage.partitions)
    return services


def _load(stage: Stage, arrivals: Arrivals, warm_up_s: float) -> Finding:
    """A load of lifecycles; `Fault` when some of it is not answered, or has no row, in the end."""
    asked = Scenario(
        description="the bench",
        arrivals=arrivals,
        keys=Uniform(count=KEYS),
        mix=Mix(lifecycle=1),
        warm_up_s=warm_up_s,
    )
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        found = run(asked, stage.settings, Path(folder), lambda *_: None)
    if found.undrained or found.seen.events != found.counts.sent:
        raise Fault(f"{found.counts.sent} commands led to {found.seen.events} events, {found.undrained} are left")
    return found
