"""Whether a record costs more CPU than it did: the ratio to raw librdkafka, beside the one that is recorded.

Wall time on a shared machine says little. CPU time beside that of librdkafka on the same bytes, in the same run, hardly
depends on the machine, and what disturbs it only adds: so the least of some repeats counts, of both.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from headrace.kernel.errors import Misconfigured
from headrace_load.bench.figures import Results

RECORDED: Final = Path(__file__).with_name("recorded.json")
MARGIN: Final = 1.25


def ratios(repeats: Sequence[Results]) -> dict[str, float]:
    """By service, its least CPU a record as a multiple of the least that librdkafka took for the same."""
    found = {}
    for who in (name.removesuffix(".cpu_to_raw") for name in repeats[0] if name.endswith(".cpu_to_raw")):
        cost = [results[f"{who}.cpu_us"] for results in repeats]
        raw = [results[f"{who}.cpu_us"] / results[f"{who}.cpu_to_raw"] for results in repeats]
        found[who] = round(min(cost) / min(raw), 2)
    return found


def least(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    """The lower ratio of each service."""
    return {who: min(ratio, other[who]) for who, ratio in one.items()}


def usual(measured: Sequence[dict[str, float]]) -> dict[str, float]:
    """Each service's median: a lucky measurement on record would fail honest ones."""
    return {who: median(ratios[who] for ratios in measured) for who in measured[0]}


def recorded(codec: str, path: Path = RECORDED) -> dict[str, float]:
    """The ratios that were recorded with that codec; `Misconfigured` when there are none."""
    try:
        ratios: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))[codec]["cpu_to_raw"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise Misconfigured(
            f"{path}: no ratios recorded for the codec {codec} ({error}): run it with --record once"
        ) from error
    return ratios


def record(found: dict[str, float], machine: dict[str, Any], path: Path = RECORDED) -> None:
    """Keep ratios, and what they were measured on and with, for later checks; those of another codec stay."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[machine["codec"]] = {"cpu_to_raw": found, "machine": machine}
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def too_dear(found: dict[str, float], before: dict[str, float]) -> list[str]:
    """What costs more than a quarter above what is recorded, a line each; what was not measured is among it."""
    return [_complaint(who, found.get(who), ratio) for who, ratio in before.items() if _is_dear(found.get(who), ratio)]


def _is_dear(measured: float | None, ratio: float) -> bool:
    return measured is None or measured > ratio * MARGIN


def _complaint(who: str, measured: float | None, ratio: float) -> str:
    if measured is None:
        return f"{who} was not measured; {ratio:.2f} times the CPU of raw librdkafka is recorded"
    return (
        f"{who} takes {measured:.2f} times the CPU of raw librdkafka; {ratio:.2f} is recorded, and "
        f"{ratio * MARGIN:.2f} the most that passes"
    )
