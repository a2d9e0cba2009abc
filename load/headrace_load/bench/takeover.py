"""A handler that takes its partitions over: how long until its first command, and how much memory then."""

from datetime import datetime

from headrace_load.bench import raw
from headrace_load.bench.figures import Results, Spent
from headrace_load.bench.stage import PARTITIONS, Stage
from headrace_load.bench.traffic import LIFE, Frame


def restart(stage: Stage, commands: int) -> Results:
    """Take over after that many commands were just answered: all events there, all answers still remembered."""
    return _take_over(stage, "restart", commands // len(LIFE), commands)


def restore(stage: Stage, newest: list[Frame]) -> Results:
    """Take over partitions that hold the newest event of each aggregate, and no answers to remember."""
    stage.reset()
    stage.store(stage.orders.event_topic, newest)
    return _take_over(stage, "restore", len(newest), len(newest))


def _take_over(stage: Stage, name: str, aggregates: int, events: int) -> Results:
    """Start a handler on what the topics hold; its log tells the seconds from the assignment to ready."""
    with stage.service("handle", "orders", "--slot", "bench") as service:
        ready = service.ready(PARTITIONS)
        rss = service.rss_mb
    seconds = ready["seconds"]
    floor = raw.consume(stage, stage.orders.event_topic, events)
    return {
        f"{name}.aggregates_per_s": aggregates / seconds,
        f"{name}.rate_to_raw": Spent(events, seconds, 0.0).rate / floor.rate,
        f"{name}.restore_s": seconds,
        f"{name}.start_to_ready_s": datetime.fromisoformat(ready["timestamp"]).timestamp() - service.began,
        f"{name}.rss_mb": rss,
    }
