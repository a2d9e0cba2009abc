"""Transfers from request to completion, with all of a bank on the box, and what a reactor costs beside handlers."""

import tempfile
from pathlib import Path
from typing import Final

from confluent_kafka.admin import AdminClient

from headrace.app import bank
from headrace.kafka.clients import admin_client
from headrace.kafka.reading import high_watermarks, read_to
from headrace.kernel.errors import Fault
from headrace.settings import Settings
from headrace_load.bank.run import Bank, Found
from headrace_load.bank.scenario import BankScenario
from headrace_load.bank.stage import BankStage
from headrace_load.bench.figures import Results
from headrace_load.demo.stage import PARTITIONS

ACCOUNTS: Final = 1_000
RATE: Final = 200
"""Requests a second of the second run."""


def transfers(schemas: Path, drained: int, seconds: int) -> Results:
    """Ask for `drained` transfers at once, then on a new bank for `RATE` a second; both are verified.

    Latencies are of `seconds` after as many of warming up.

    A reactor's messages are all that it reads, events and outcomes; a handler's are commands.
    """
    found, cpu_us = _run(schemas, drained, 0)
    handlers = cpu_us["handler"]
    at_rate, _ = _run(schemas, 2 * RATE * seconds, RATE, seconds)
    latencies = at_rate.figures["request_to_completed_ms"]
    return {
        "transfers.transfers_per_s": found.figures["completed_per_s"],
        "transfers.reactor_cpu_us": cpu_us["reactor"],
        "transfers.handler_cpu_us": handlers,
        "transfers.cpu_to_handler": cpu_us["reactor"] / handlers,
        f"transfers at {RATE} a second.p50_ms": latencies["p50"],
        f"transfers at {RATE} a second.p99_ms": latencies["p99"],
    }


def _run(schemas: Path, count: int, rate: int, warm_up_s: int = 0) -> tuple[Found, dict[str, float]]:
    """What was found, and the microseconds of CPU a message of handlers and reactor."""
    asked = BankScenario(
        description="the bench", accounts=ACCOUNTS, transfers=count, rate=rate, warm_up_s=warm_up_s, hot=0.1
    )
    with (
        tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder,
        BankStage(Path(folder), schemas, 1, full_jit=True) as stage,
    ):
        stage.prepare()
        names = stage.start_services()
        play = Bank(stage, asked, lambda _: None)
        before = _records(stage.settings)
        found = play.run(names, harm=False, forge=False)
        after = _records(stage.settings)
    if not found.ok:
        wrong = [check.name for check in found.report.checks if not check.ok]
        raise Fault(f"{count} transfers are not as they must be: {', '.join(wrong) or 'the audit'}")
    spent = {
        "handler": sum(found.cpu_s[f"{each.name}-handler-1"] for each in bank.aggregates),
        "reactor": sum(found.cpu_s[f"{each.name}-1"] for each in bank.reactors),
    }
    return found, {kind: cpu_s / (after[kind] - before[kind]) * 1e6 for kind, cpu_s in spent.items()}


def _records(settings: Settings) -> dict[str, int]:
    """How many committed records handlers and reactor have read, or will have."""
    topics = {
        "handler": [each.command_topic for each in bank.aggregates],
        "reactor": [topic for each in bank.aggregates for topic in (each.event_topic, each.outcome_topic)],
    }
    admin = admin_client(settings)
    return {kind: _count(settings, admin, names) for kind, names in topics.items()}


def _count(settings: Settings, admin: AdminClient, topics: list[str]) -> int:
    places = [(topic, number) for topic in topics for number in range(PARTITIONS)]
    ends = high_watermarks(admin, places)
    return sum(len(chunk) for chunk in read_to(settings, dict.fromkeys(places, 0), ends))
