"""`python -m headrace_load.bench`, which is `make bench`."""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from headrace.kernel.app import JOURNAL
from headrace.kernel.errors import Fault, Misconfigured
from headrace.local import LocalServerError
from headrace_load.bench import check as checking
from headrace_load.bench import document as documenting
from headrace_load.bench import drained, live, money, profiling, raw, report, scaling, takeover, traffic
from headrace_load.bench.figures import Figure, Results, figures_of
from headrace_load.bench.machine import facts, host
from headrace_load.bench.stage import Stage

COMMANDS: Final = 200_000
REPEATS: Final = 3
MEASURED: Final = 5
"""So many measurements are made for one that is kept."""
WARM_UP_S: Final = 12.0
AGGREGATES: Final = (1, 100, 1_000)
"""How many a handler holds at 200,000 commands a repeat, in thousands; with fewer commands likewise fewer."""
HANDLERS: Final = (1, 2, 4)
RATES: Final = (1_000, 5_000, 10_000)
"""Commands a second that arrive, at 200,000 commands a repeat; with fewer commands likewise less."""
LIVE_S: Final = 30.0
LEAST_LIVE_S: Final = 3.0
"""Commands arrive for so long at each rate, with fewer commands than 200,000 likewise less, but not less than this."""
QUICK: Final = 10
"""`--quick` is so many times less."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
console = Console(stderr=True, highlight=False)


@app.command()
def bench(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of it, once: less than a minute.")] = False,
    commands: Annotated[
        int | None, typer.Option(min=400, help="Commands a repeat, and aggregates to restore; 200,000 unless told.")
    ] = None,
    repeats: Annotated[int | None, typer.Option(min=1, help="Repeats of everything; 3 unless told.")] = None,
    warm_up: Annotated[float | None, typer.Option(help="Seconds of traffic before anything counts.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write the JSON to this file, too.")] = None,
    document: Annotated[Path | None, typer.Option(help="Write them as a page, too, with a plot beside it.")] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Only show where the handler's time goes.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only CPU to raw: exit 1 when a quarter over it.")] = False,
    record: Annotated[bool, typer.Option("--record", help="Only CPU to raw: keep it for later checks.")] = False,
) -> None:
    """Measure handler, projectors and takeover on servers of their own, beside raw librdkafka on the same bytes.

    HEADRACE_BATCH_SIZE and HEADRACE_WINDOW_MS are the services'.
    """
    less = QUICK if quick else 1
    count = commands or COMMANDS // less
    times = repeats or (1 if quick and not (check or record) else REPEATS)
    before = checking.recorded(host()["codec"]) if check else {}
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder, Stage(Path(folder)) as stage:
        console.print(f"making {count:,} commands, warming the broker up")
        asked = traffic.commands(stage.codec, count // 4 * 4, stage.partitions)
        raw.warm_up(stage, asked, WARM_UP_S / less if warm_up is None else warm_up)
        if profile:
            profiling.show(profiling.profile_handler(stage, asked))
            return
        if check or record:
            ratios = checking.usual([_ratios(stage, asked, times) for _ in range(MEASURED if record else 1)])
            if checking.too_dear(ratios, before):
                console.print("too dear; what disturbs a measurement only adds to it, so it is made once more")
                ratios = checking.least(ratios, _ratios(stage, asked, times))
            if record:
                checking.record(ratios, facts(stage))
            _tell(ratios, before)
            return
        found, figures = _measure(stage, asked, times)
    if output:
        output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if document:
        documenting.write(found, document)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        report.show(figures, found, Console())


def _ratios(stage: Stage, asked: list[traffic.Frame], times: int) -> dict[str, float]:
    return checking.ratios([_drain(stage, asked, number + 1, times) for number in range(times)])


def _measure(stage: Stage, asked: list[traffic.Frame], times: int) -> tuple[dict[str, Any], list[Figure]]:
    """All figures, and the report that holds them and what they were measured on and with."""
    began = time.monotonic()
    settings = stage.settings
    circumstances: dict[str, Any] = {
        "machine": facts(stage),
        "settings": {
            "tuning": settings.tuning,
            "batch_size": settings.batch_size,
            "window_ms": settings.window_ms,
        },
        "partitions": stage.partitions,
        "commands": len(asked),
        "aggregates": len(asked),
        "repeats": times,
        "live_s": _live_s(len(asked)),
    }
    newest = traffic.delivered_orders(stage.codec, len(asked), stage.partitions)
    figures = figures_of([_repeat(stage, asked, newest, number + 1, times) for number in range(times)])
    circumstances["seconds"] = round(time.monotonic() - began, 1)
    return report.as_json(figures, circumstances), figures


def _repeat(stage: Stage, asked: list[traffic.Frame], newest: list[traffic.Frame], number: int, times: int) -> Results:
    """Everything once, on emptied servers."""
    results = _drain(stage, asked, number, times)
    console.print("takeover")
    results |= takeover.restart(stage, len(asked))
    results |= takeover.restore(stage, newest)
    console.print("live")
    rates = [max(1, rate * len(asked) // COMMANDS) for rate in RATES]
    results |= live.at_rates(stage, rates, _live_s(len(asked)))
    results |= live.at_rates(stage, rates[-1:], _live_s(len(asked)), "latency")
    results |= live.all_at_once(stage, len(asked))
    results |= live.all_at_once(stage, live.AT_LENGTH * len(asked), "throughput")
    console.print("transfers")
    results |= money.transfers(stage.settings.schemas, len(asked) // 20, max(3, len(asked) // 8_000))
    console.print("more aggregates, more handlers")
    results |= scaling.more_aggregates(
        len(asked), [len(asked) * 1_000 * thousands // COMMANDS for thousands in AGGREGATES]
    )
    return results | scaling.more_handlers(len(asked), HANDLERS)


def _live_s(commands: int) -> float:
    return max(LEAST_LIVE_S, min(1.0, commands / COMMANDS) * LIVE_S)


def _drain(stage: Stage, asked: list[traffic.Frame], number: int, times: int) -> Results:
    """What services do with what is stored already, once, on emptied servers."""
    console.print(f"repeat {number} of {times}: handler", end="")
    stage.reset()
    results = drained.handle(stage, asked)
    events = raw.Topic(stage, stage.aggregate.event_topic)
    console.print(", projectors")
    for projector in (*(view.name for view in stage.app.views), JOURNAL):
        results |= drained.project(stage, projector, events)
    return results


def _tell(ratios: dict[str, float], before: dict[str, float]) -> None:
    """What was found; exit 1 when it is too much."""
    for who, ratio in ratios.items():
        typer.echo(f"{who}: {ratio:.2f} times the CPU of raw librdkafka")
    complaints = checking.too_dear(ratios, before)
    for line in complaints:
        console.print(f"bench: {line}", markup=False, soft_wrap=True)
    if complaints:
        raise typer.Exit(1)


def main() -> None:
    """Run the bench; a fault is one line on standard error."""
    try:
        app()
    except (Fault, LocalServerError, Misconfigured) as error:
        console.print(f"bench: {error}", markup=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
