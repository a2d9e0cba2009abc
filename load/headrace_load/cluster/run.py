"""One scene after the other, each under load; after each all becomes quiet, and topics and tables are verified."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from headrace.kernel.errors import Fault
from headrace_load.chaos.traffic import Traffic
from headrace_load.cluster import scenes
from headrace_load.cluster.kubectl import wait
from headrace_load.cluster.scenes import Scene
from headrace_load.cluster.stage import Stage
from headrace_load.demo.quiet import Quiet
from headrace_load.demo.stage import DOMAIN
from headrace_load.observe import Observer
from headrace_load.verify import Evidence, verify

QUIET_S: Final = 300.0
RATE: Final = 50.0
BURST: Final = 600.0
"""Commands a second, more than a handler with small transactions answers."""

Told = Callable[[str], None]


class Played(Struct, frozen=True):
    """What a scene led to. Standstills: the longest time in seconds without progress, by who and partition."""

    scene: str
    seconds: float
    sent: int
    told: dict[str, Any]
    longest_without_progress_s: dict[str, float]
    standstills: dict[str, dict[int, float]]
    quiet_after_s: float
    verified: dict[str, int]
    findings: list[str]
    restarts: int


def play(stage: Stage, told: Told) -> Iterator[Played]:
    """All scenes; a `Fault` says what did not come."""
    scaling: tuple[tuple[Scene, float], ...] = ((scenes.scaled_up, BURST), (scenes.scaled_down, RATE))
    if not stage.has_keda:
        scaling = ((scenes.scaled_by_hand, RATE),)
    plain = ((scene, RATE) for scene in (scenes.steady, scenes.deleted, scenes.drained, scenes.rolled))
    histories: list[Path] = []
    for number, (scene, rate) in enumerate((*plain, *scaling), 1):
        histories.append(stage.folder / f"history-{number}.jsonl")
        told(f"{scene.__name__}, under {rate:.0f} commands a second: {(scene.__doc__ or '').splitlines()[0]}")
        yield _played(stage, scene, rate, histories)


def _played(stage: Stage, scene: Scene, rate: float, histories: list[Path]) -> Played:
    began, settings = time.monotonic(), stage.settings
    traffic = Traffic(settings, len(histories), rate, histories[-1])
    with Observer(settings.kafka, settings.database, DOMAIN) as observer:
        wait(observer.is_tailing, "the observer reads", QUIET_S)
        traffic.start()
        try:
            found = scene(stage)
        finally:
            traffic.stop()
        quiet_s = _wait_for_quiet(stage)
    report = verify(settings.kafka, settings.database, settings.schemas, [DOMAIN], evidence=Evidence(tuple(histories)))
    observed = observer.report()
    standstills: dict[str, dict[int, float]] = {}
    for one in observed.standstills:
        standstills.setdefault(one.who, {})[one.partition] = one.seconds
    return Played(
        scene=scene.__name__,
        seconds=round(time.monotonic() - began, 1),
        sent=traffic.results.total(),
        told=found,
        longest_without_progress_s={who: max(by.values()) for who, by in standstills.items()},
        standstills={who: dict(sorted(by.items())) for who, by in standstills.items()},
        quiet_after_s=round(quiet_s, 1),
        verified={check.name: check.counted.total() for check in report.checks},
        findings=[
            *(f"seen meanwhile: {problem}" for problem in observed.problems),
            *(f"{check.name}: {problem}" for check in report.checks for problem in check.problems),
        ],
        restarts=stage.restarts(),
    )


def _wait_for_quiet(stage: Stage) -> float:
    """Wait until every command is answered and every event applied, by projectors of this version."""
    quiet = Quiet(stage.settings.kafka, stage.settings.database, DOMAIN)
    try:
        answered_s = wait(quiet.answered, "every command is answered", QUIET_S)
        return answered_s + wait(quiet.applied, "every event is in the read models", QUIET_S)
    except Fault as error:
        pods = stage.kubectl.run("get", "pods", "--no-headers")
        raise Fault(f"{error}; pods:\n{pods}") from error
