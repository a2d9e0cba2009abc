"""What happens in the demo, from the first server to the last check."""

import time
from collections.abc import Callable
from typing import Final

from headrace_load.demo.day import GARBAGE, Day, read_day
from headrace_load.demo.quiet import Quiet
from headrace_load.demo.result import Kill, Result
from headrace_load.demo.sender import Sender
from headrace_load.demo.stage import DOMAIN, Stage
from headrace_load.demo.statistics import read_days
from headrace_load.measure import measure
from headrace_load.verify import verify

DAY_S: Final = 16.0
QUIET_S: Final = 60.0
# Whom to kill when so much of the day is over.
KILLS: Final = ((0.35, "handler-1"), (0.6, "orders-projector-1"))

Told = Callable[[str], None]
"""Is told of each thing that has happened."""


def tell(stage: Stage, told: Told, day_s: float = DAY_S) -> Result:
    """Play the demo on a stage whose servers are up, and return what was found."""
    told("Kafka and PostgreSQL are up")
    topics, contracts = stage.prepare()
    told(f"{len(topics)} topics are created, {contracts} contracts checked, the tables migrated")
    services = stage.start_services()
    told(f"{len(services)} services have their partitions: {', '.join(services)}")
    day = read_day(day_s)
    orders = len(day.created)
    told(f"a shop's 1 December 2010 begins: {orders} orders, {len(day.planned)} commands")
    sender = Sender(stage.settings)
    kills = _play(stage, sender, day, told)
    _misbehave(sender, day)
    told(f"the file came a second time, {len(day.second_payments())} orders were paid twice, garbage was sent")
    _wait_for_quiet(stage)
    told("all is quiet: every command is answered, every event applied")
    report = verify(stage.settings.kafka, stage.settings.database, stage.schemas, [DOMAIN])
    figures = measure(stage.settings.database, stage.schemas, DOMAIN)
    days = read_days(stage.settings.database)
    replaced = tuple(kill.replaced_by(stage.services.pid(kill.name)) for kill in kills)
    result = Result(orders, len(day.reported), replaced, figures, days, report, stage.seconds)
    stage.failed = not result.ok
    return result


def _play(stage: Stage, sender: Sender, day: Day, told: Told) -> list[Kill]:
    """Send each command at its time; kill whom the plan names on the way."""
    began = time.monotonic()
    length = day.planned[-1].at
    planned = list(KILLS)
    kills = []
    for entry in day.planned:
        if planned and entry.at >= planned[0][0] * length:
            _, name = planned.pop(0)
            kills.append(Kill(name, stage.services.kill(name), round(stage.seconds, 1)))
            told(f"kill -9 {name}: the supervisor starts another, the other replica takes over")
        time.sleep(max(0.0, began + entry.at - time.monotonic()))
        sender.send(entry.asked)
    return kills


def _misbehave(sender: Sender, day: Day) -> None:
    """Import the day's orders a second time, pay some twice, and send what no schema explains."""
    sender.send(*day.created, *day.second_payments())
    sender.send_garbage(f"{DOMAIN}.commands", *GARBAGE)


def _wait_for_quiet(stage: Stage) -> None:
    quiet = Quiet(stage.settings.kafka, stage.settings.database, DOMAIN)
    stage.wait(quiet.answered, "every command is answered", QUIET_S)
    stage.wait(quiet.applied, "every event is in the read models", QUIET_S)
