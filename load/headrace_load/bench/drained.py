"""Services at full speed: everything they have to do is stored before they start."""

from datetime import datetime
from typing import Final

import psycopg

from headrace.kernel.app import JOURNAL
from headrace.kernel.errors import Fault
from headrace_load.bench import raw
from headrace_load.bench.figures import Results, Spent, compared, one_after_the_other
from headrace_load.bench.stage import Stage
from headrace_load.bench.traffic import Frame

POSITIONS: Final = "SELECT partition, next_offset, advanced_at FROM headrace.checkpoints WHERE projector = %s"


def handle(stage: Stage, commands: list[Frame]) -> Results:
    """Answer all commands: from the first outcome in the log to the last, beside the same bytes without us."""
    count = len(commands)
    stage.store(stage.aggregate.command_topic, commands)
    with stage.service("handle", "orders", "--slot", "bench") as service:
        service.ready(stage.partitions)
        before, broker_before = service.cpu_s, stage.broker_cpu_s
        service.wait(lambda: stage.answered() >= count, "answered all commands")
        cpu_s, broker_s = service.cpu_s - before, stage.broker_cpu_s - broker_before
    outcomes = raw.Topic(stage, stage.aggregate.outcome_topic)
    events = raw.Topic(stage, stage.aggregate.event_topic)
    if (len(outcomes.frames), len(events.frames)) != (count, count):
        raise Fault(f"{count} commands led to {len(outcomes.frames)} outcomes and {len(events.frames)} events")
    spent = Spent(count, max(outcomes.last_at - outcomes.first_at, 1) / 1000, cpu_s)
    written = raw.produce(stage, events.frames + outcomes.frames)
    read = raw.consume(stage, stage.aggregate.command_topic, count)
    floor = one_after_the_other(count, read, written)
    return {
        "raw_consume.records_per_s": read.rate,
        "raw_consume.cpu_us": read.cpu_us,
        "raw_produce.records_per_s": written.rate,
        "raw_produce.cpu_us": written.cpu_us,
        **compared("handler", "commands_per_s", spent, floor),
        "handler.broker_cpu_us": broker_s / count * 1e6,
    }


def project(stage: Stage, view: str, events: raw.Topic) -> Results:
    """Apply all events: from the acquisition of the partitions to the last commit, beside reading alone."""
    count = len(events.frames)
    name = JOURNAL if view == JOURNAL else stage.app.view(view).schema
    with psycopg.connect(stage.settings.database, autocommit=True) as connection:

        def applied() -> bool:
            found = {partition: offset for partition, offset, _ in connection.execute(POSITIONS, [name]).fetchall()}
            return found == events.ends

        with stage.service("project", view) as service:
            ready = service.ready(stage.partitions)
            before, postgres_before = service.cpu_s, stage.backend_cpu_s
            service.wait(applied, "applied all events")
            cpu_s, postgres_s = service.cpu_s - before, stage.backend_cpu_s - postgres_before
        last = max(at for _, _, at in connection.execute(POSITIONS, [name]).fetchall())
    seconds = (last - datetime.fromisoformat(ready["timestamp"])).total_seconds()
    floor = raw.consume(stage, stage.aggregate.event_topic, count)
    return {
        **compared(f"projector_{view}", "events_per_s", Spent(count, seconds, cpu_s), floor),
        f"projector_{view}.postgres_cpu_us": max(postgres_s, 0.0) / count * 1e6,
    }
