"""What a command costs when handlers hold more aggregates, and when more of them share the work."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from headrace_load.bench import traffic
from headrace_load.bench.figures import Results
from headrace_load.bench.service import Service
from headrace_load.bench.stage import Stage

PARTITIONS: Final = 12


def more_aggregates(commands: int, sizes: Sequence[int]) -> Results:
    """Deposits to any of so many accounts, by one handler that takes all of them over."""
    results: Results = {}
    folder = tempfile.TemporaryDirectory(prefix="headrace-bench-")
    with folder as name, Stage(Path(name), "headrace.app:bank", "accounts") as stage:
        for size in sizes:
            stage.reset()
            stage.store_past(traffic.funded_accounts(stage.codec, size, stage.partitions))
            asked = traffic.deposits(stage.codec, commands, size, stage.partitions)
            stage.store(stage.aggregate.command_topic, asked)
            with stage.service("handle", "accounts", "--slot", "bench") as service:
                ready, rss = service.ready(stage.partitions), service.rss_mb
                cpu_us = _cost(stage, [service], commands)
            who = f"handler of {size:,} accounts"
            results |= {f"{who}.seconds": ready["seconds"], f"{who}.rss_mb": rss, f"{who}.cpu_us": cpu_us}
    return results


def more_handlers(commands: int, counts: Sequence[int]) -> Results:
    """Orders, taken through their lives by so many handlers; it counts what all of them use together."""
    results: Results = {}
    folder = tempfile.TemporaryDirectory(prefix="headrace-bench-")
    with folder as name, Stage(Path(name), partitions=PARTITIONS) as stage:
        asked = traffic.commands(stage.codec, commands, PARTITIONS)
        for count in counts:
            stage.reset()
            with ExitStack() as stack:
                services = [
                    stack.enter_context(stage.service("handle", "orders", "--slot", str(slot))) for slot in range(count)
                ]
                for service in services:
                    service.settle(PARTITIONS // count)
                cpu_us = _cost(stage, services, commands, lambda: stage.store(stage.aggregate.command_topic, asked))
            results[f"handlers, {count} of them.cpu_us"] = cpu_us
    return results


def _cost(stage: Stage, services: list[Service], commands: int, begin: Callable[[], None] = lambda: None) -> float:
    """Microseconds of CPU a command, from the beginning until all are answered."""
    before = sum(service.cpu_s for service in services)
    begin()
    services[0].wait(lambda: stage.answered() >= commands, "answered all commands")
    return (sum(service.cpu_s for service in services) - before) / commands * 1e6
