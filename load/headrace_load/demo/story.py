"""What happens in the demo, from the first server to the last check."""

import time
from collections.abc import Callable
from typing import Any, Final

from headrace_load.demo.bank import REVIEWED, Bank
from headrace_load.demo.day import GARBAGE, Day, read_day
from headrace_load.demo.quiet import PROJECTORS, Quiet
from headrace_load.demo.result import Kill, Result
from headrace_load.demo.sender import Sender
from headrace_load.demo.stage import DOMAIN, Stage
from headrace_load.demo.statistics import read_days
from headrace_load.measure import measure
from headrace_load.verify import verify

DAY_S: Final = 16.0
QUIET_S: Final = 60.0
BANK_DOMAINS: Final = ("accounts", "transfers")
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
    stage.start_bank(REVIEWED)
    day = read_day(day_s)
    orders = len(day.created)
    told(f"a shop's 1 December 2010 begins: {orders} orders, {len(day.planned)} commands")
    sender = Sender(stage.settings)
    kills = _play(stage, sender, day, told)
    _misbehave(sender, day)
    told(f"the file came a second time, {len(day.second_payments())} orders were paid twice, garbage was sent")
    _wait_for_quiet(stage)
    told("all is quiet: every command is answered, every event applied")
    bank = _play_bank(stage, told)
    report = verify(stage.settings.kafka, stage.settings.database, stage.schemas, [DOMAIN, *BANK_DOMAINS])
    figures = measure(stage.settings.database, stage.schemas, DOMAIN)
    days = read_days(stage.settings.database)
    replaced = tuple(kill.replaced_by(stage.services.pid(kill.name)) for kill in kills)
    result = Result(orders, len(day.reported), replaced, figures, days, bank, report, stage.seconds)
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


def _play_bank(stage: Stage, told: Told) -> dict[str, Any]:
    """Money moves between accounts, through the topics; returns what its readers see."""
    stage.wait_for_bank()
    client = Bank(stage.settings)
    client.open_accounts()
    stage.wait(client.is_open, "the accounts are open", QUIET_S)
    client.ask()
    stage.wait(client.waits_for_review, "the small transfers have ended, the large one waits", QUIET_S)
    told("a bank moved money: what a frozen account did not take came back, a large sum waits for a second person")
    client.approve()
    stage.wait(client.is_over, "every transfer has ended", QUIET_S)
    for domain in BANK_DOMAINS:
        _wait_for_quiet(stage, domain, (f"{domain}_v1", "journal"))
    told("a second person has approved it: every transfer has ended, and every penny is there")
    return client.read()


def _wait_for_quiet(stage: Stage, domain: str = DOMAIN, projectors: tuple[str, ...] = PROJECTORS) -> None:
    quiet = Quiet(stage.settings.kafka, stage.settings.database, domain, projectors)
    stage.wait(quiet.answered, f"every command of {domain} is answered", QUIET_S)
    stage.wait(quiet.applied, f"every event of {domain} is in the read models", QUIET_S)
