"""A handler that takes its partitions over: how long until its first command, and how much memory then."""

from datetime import datetime

from headrace_load.bench import raw
from headrace_load.bench.figures import Results, Spent, one_after_the_other
from headrace_load.bench.stage import Stage
from headrace_load.bench.traffic import Frame


def restart(stage: Stage, commands: int) -> Results:
    """Take over after that many commands were just answered: all events are there, and all answers remembered."""
    return _take_over(
        stage, "restart", {stage.aggregate.event_topic: commands, stage.aggregate.outcome_topic: commands}
    )


def restore(stage: Stage, newest: list[Frame]) -> Results:
    """Take over partitions that hold the newest event of each aggregate, and no answers to remember."""
    stage.reset()
    stage.store_past(newest)
    return _take_over(stage, "restore", {stage.aggregate.event_topic: len(newest)})


def _take_over(stage: Stage, name: str, counts: dict[str, int]) -> Results:
    """Start a handler on what these topics hold; its log tells the seconds from the assignment to ready."""
    with stage.service("handle", "orders", "--slot", "bench") as service:
        ready = service.ready(stage.partitions)
        rss = service.rss_mb
    records, seconds = sum(counts.values()), ready["seconds"]
    floor = one_after_the_other(records, *(raw.consume(stage, topic, count) for topic, count in counts.items()))
    return {
        f"{name}.seconds": seconds,
        f"{name}.records_per_s": records / seconds,
        f"{name}.rate_to_raw": Spent(records, seconds, 0.0).rate / floor.rate,
        f"{name}.start_to_ready_s": datetime.fromisoformat(ready["timestamp"]).timestamp() - service.began,
        f"{name}.rss_mb": rss,
    }
