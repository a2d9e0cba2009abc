"""What is done to a deployment while commands come in; each returns what is worth telling, or raises a `Fault`."""

import time
from collections.abc import Callable
from typing import Any, Final

import psycopg

from headrace.kernel.errors import Fault
from headrace_load.cluster.kubectl import wait
from headrace_load.cluster.stage import UP_S, Stage

HANDLER: Final = "handle-orders"
PROJECTOR: Final = "project-orders"
ROLLED: Final = (HANDLER, PROJECTOR, "project-journal")
PAIR: Final = 2
SEVERAL: Final = 3
SMALL: Final = {HANDLER: 20, PROJECTOR: 1}
"""Transactions of so few records that one machine can send more than a process answers, or applies."""
BACKLOG: Final = 15_000
"""So many events wait for a view's projectors: one by one, they take long enough for many to be started."""
SCALED_S: Final = 300.0
SHRUNK_S: Final = 600.0
STEADY_S: Final = 20.0
CALM_S: Final = 5.0
"""Between two things that happen: so long the load goes on as usual."""

Scene = Callable[[Stage], dict[str, Any]]


def steady(stage: Stage) -> dict[str, Any]:
    """Nothing happens: commands come in, and rows come out."""
    time.sleep(STEADY_S)
    wait(lambda: _rows(stage) > 0, "the view has rows", UP_S)
    return {"rows": _rows(stage)}


def deleted(stage: Stage) -> dict[str, Any]:
    """One of two handlers is deleted in good order, one of two projectors at once."""
    for workload in (HANDLER, PROJECTOR):
        stage.scale(workload, PAIR)
    time.sleep(CALM_S)
    kubectl = stage.kubectl
    kubectl.run("delete", "pod", f"{HANDLER}-0", "--wait=false")
    handler_s = wait(lambda: kubectl.ready(HANDLER) == PAIR, "the deleted handler is back", UP_S)
    gone = kubectl.pods(PROJECTOR)[0]["metadata"]["name"]
    kubectl.run("delete", "pod", gone, "--grace-period=0", "--force", "--wait=false")
    projector_s = wait(lambda: kubectl.ready(PROJECTOR) == PAIR, "the killed projector is replaced", UP_S)
    time.sleep(CALM_S)
    return {"handler_back_s": round(handler_s, 1), "projector_replaced_s": round(projector_s, 1)}


def drained(stage: Stage) -> dict[str, Any]:
    """A drain evicts both handlers and both projectors: the second of each only once the first is replaced."""
    told: dict[str, Any] = {}
    for workload in (HANDLER, PROJECTOR):
        stage.scale(workload, PAIR)
        first, second = (pod["metadata"]["name"] for pod in stage.kubectl.pods(workload))
        if not stage.kubectl.evict(first):
            raise Fault(f"{workload}: the disruption budget does not let the first of two pods go")
        if stage.kubectl.evict(second):
            raise Fault(f"{workload}: the disruption budget let both pods go at once")
        told[workload] = {
            "second_refused": 1,
            "second_evicted_after_s": round(wait(lambda pod=second: stage.kubectl.evict(pod), "it may go", UP_S), 1),  # type: ignore[misc]
            "all_back_after_s": round(_until_ready(stage, workload, PAIR), 1),
        }
    return told


def rolled(stage: Stage) -> dict[str, Any]:
    """A rolling update of handlers, a view's projectors and the journal's."""
    began = time.monotonic()
    stage.kubectl.run("rollout", "restart", *(f"{stage.kind_of(workload)}/{workload}" for workload in ROLLED))
    _until_rolled(stage, *ROLLED)
    took = time.monotonic() - began
    time.sleep(CALM_S)
    return {"rolled": ROLLED, "rolled_s": round(took, 1)}


def scaled_up(stage: Stage) -> dict[str, Any]:
    """More commands than one handler answers, and a view whose projector was away: KEDA starts several of each."""
    for workload in (HANDLER, PROJECTOR):
        stage.scale(workload, 1)
        stage.set_environment(workload, f"HEADRACE_BATCH_SIZE={SMALL[workload]}")
    _until_rolled(stage, HANDLER, PROJECTOR)
    before = {workload: stage.replicas_of(workload) for workload in (HANDLER, PROJECTOR)}
    stage.annotate(HANDLER, "")
    stage.annotate(PROJECTOR, "0")
    began = stage.events()
    handler_s = wait(lambda: stage.replicas_of(HANDLER) >= SEVERAL, f"{SEVERAL} handlers by lag", SCALED_S)
    wait(lambda: stage.events() - began >= BACKLOG, f"{BACKLOG:,} events wait for the projectors", SCALED_S)
    stage.annotate(PROJECTOR, "")
    projector_s = wait(lambda: stage.replicas_of(PROJECTOR) >= SEVERAL, f"{SEVERAL} projectors by lag", SCALED_S)
    ready_s = _until_ready(stage, HANDLER, SEVERAL) + _until_ready(stage, PROJECTOR, SEVERAL)
    after = {workload: stage.replicas_of(workload) for workload in (HANDLER, PROJECTOR)}
    for workload in SMALL:
        stage.set_environment(workload, "HEADRACE_BATCH_SIZE-")  # what waits by now is for them as they usually are
    return {
        "before": before,
        "after": after,
        "handlers_scaled_after_s": round(handler_s, 1),
        "projectors_scaled_after_s": round(projector_s, 1),
        "ready_after_s": round(ready_s, 1),
    }


def scaled_down(stage: Stage) -> dict[str, Any]:
    """The load is small again: KEDA goes back to one of each."""
    took = {
        workload: wait(lambda name=workload: stage.replicas_of(name) == 1, f"one {workload} again", SHRUNK_S)  # type: ignore[misc]
        for workload in (HANDLER, PROJECTOR)
    }
    return {"back_to_one_after_s": {workload: round(seconds, 1) for workload, seconds in took.items()}}


def scaled_by_hand(stage: Stage) -> dict[str, Any]:
    """Without KEDA: three of each, and one again."""
    for replicas in (SEVERAL, 1):
        for workload in (HANDLER, PROJECTOR):
            stage.scale(workload, replicas)
        time.sleep(CALM_S)
    return {"by": "kubectl scale", "replicas": [1, SEVERAL, 1]}


def _until_rolled(stage: Stage, *workloads: str) -> None:
    for workload in workloads:
        name = f"{stage.kind_of(workload)}/{workload}"
        stage.kubectl.run("rollout", "status", name, f"--timeout={UP_S:.0f}s", timeout_s=UP_S + CALM_S)


def _until_ready(stage: Stage, workload: str, replicas: int) -> float:
    return wait(lambda: stage.kubectl.ready(workload) >= replicas, f"{replicas} of {workload} are ready", UP_S)


def _rows(stage: Stage) -> int:
    with psycopg.connect(stage.settings.database) as connection:
        [(count,)] = connection.execute("SELECT count(*) FROM orders").fetchall()
    return int(count)
