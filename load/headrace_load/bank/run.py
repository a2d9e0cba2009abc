"""From the first account to the last check."""

import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from typing import Any, Final

import psutil
from msgspec import Struct

from headrace.app import bank
from headrace.avro.codec import Codec
from headrace.avro.contract import read_lock
from headrace.client import CommandClient
from headrace.kafka.clients import admin_client
from headrace.kafka.reading import high_watermarks, read_to
from headrace.kernel.errors import Fault
from headrace.kernel.message import CommandMeta
from headrace_load.bank.figures import Figures
from headrace_load.bank.harm import Harm
from headrace_load.bank.past import Past, look_at_history
from headrace_load.bank.scenario import BankScenario
from headrace_load.bank.stage import BankStage
from headrace_load.bank.traffic import Asked, Traffic
from headrace_load.demo.stage import PARTITIONS
from headrace_load.verify import Report, verify

STALLED_S: Final = 180.0
"""Without any progress for so long, a run has failed."""
LOOK_S: Final = 0.5
STILL_S: Final = {False: 2.0, True: 10.0}
"""So long nothing is written when all is at rest; with harm, longer than a service that was killed takes to return."""

Told = Callable[[str], None]
"""Is told of each thing that has happened."""


class Found(Struct, frozen=True):
    """What a run found; CPU seconds of those processes that run at the end, since the first command."""

    sent: int
    sending_s: float
    drained_s: float
    figures: dict[str, Any]
    harmed: dict[str, dict[str, int]]
    cpu_s: dict[str, float]
    report: Report
    past: Past

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.report.ok and self.past.ok

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        built = {name: getattr(self, name) for name in self.__struct_fields__}
        return built | {"report": self.report.as_json(), "past": self.past.as_json()}


class Bank:
    """A bank on a stage whose servers are up and whose services have their partitions."""

    def __init__(self, stage: BankStage, scenario: BankScenario, told: Told) -> None:
        self._stage = stage
        self._scenario = scenario
        self._told = told
        self._figures = Figures(stage.settings.database, scenario.warm_up_s)
        self._codec = Codec(bank, read_lock(stage.schemas))
        self._client = CommandClient(self._codec, stage.settings)
        self._admin = admin_client(stage.settings)
        self._topics = [topic for aggregate in bank.aggregates for topic in aggregate.topics]
        self._topics += [topic for reactor in bank.reactors for topic in reactor.topics]

    def run(self, names: list[str], *, harm: bool, forge: bool) -> Found:
        """Open accounts, transfer, perhaps with harm to these services; wait for rest, verify, perhaps forge."""
        scenario, traffic = self._scenario, Traffic(self._scenario)
        still_s = STILL_S[harm]
        before = {name: _cpu_seconds(pid) for name, pid in self._stage.pids.items()}
        self._send(traffic.accounts())
        self._rest(lambda: True, still_s)
        self._told(f"{scenario.accounts} accounts are open and funded")
        harmed = Harm(self._stage.services, names, scenario.seed)
        began = time.monotonic()
        with harmed if harm else nullcontext():
            self._request(traffic)
            sending_s = time.monotonic() - began
            self._told(f"{scenario.transfers} transfers were requested in {sending_s:.0f} s, {harmed.total} harmed")
        self._rest(self._figures.is_at_rest, still_s)
        drained_s = time.monotonic() - began - still_s
        self._told(f"all is at rest after {drained_s:.0f} s; now all of it is verified")
        cpu_s = {name: _cpu_seconds(pid) - before.get(name, 0.0) for name, pid in self._stage.pids.items()}
        settings = self._stage.settings
        report = verify(settings.kafka, settings.database, settings.schemas, [each.name for each in bank.aggregates])
        figures = self._figures.all()
        self._stage.services.stop()  # what is forged is nobody's any more
        past = look_at_history(settings, self._stage.key, self._codec, forge=forge)
        done = {kind: dict(names) for kind, names in harmed.done.items()}
        return Found(scenario.transfers, sending_s, drained_s, figures, done, cpu_s, report, past)

    def _request(self, traffic: Traffic) -> None:
        """Each transfer at its time, however late the one before was."""
        rate, began = self._scenario.rate, time.monotonic()
        for number, asked in enumerate(traffic.transfers()):
            if rate:
                time.sleep(max(0.0, began + number / rate - time.monotonic()))
            self._produce(asked)
        self._client.flush()

    def _send(self, commands: Iterable[Asked]) -> None:
        self._produce(commands)
        self._client.flush()

    def _produce(self, commands: Iterable[Asked]) -> None:
        for aggregate, aggregate_id, command in commands:
            meta = CommandMeta(command_id=str(uuid.uuid4()), aggregate_id=aggregate_id, actor="load")
            self._client.send(bank.aggregate(aggregate), command, meta)

    def _rest(self, holds: Callable[[], bool], still_s: float) -> None:
        """Wait until nothing is written any more, and what must hold then does; `Fault` when nothing moves before."""
        before: Any = None
        moved = time.monotonic()
        while True:
            self._stage.services.check()
            now = (self._ends(), self._figures.places())
            if now != before:
                before, moved = now, time.monotonic()
            still = time.monotonic() - moved
            if still > still_s and holds() and not self._is_behind(now[1]):
                return
            if still > STALLED_S:
                logs = self._stage.folder / "logs"
                raise Fault(f"nothing moves for {STALLED_S:.0f} s, with {self._figures.statuses()}: see {logs}")
            time.sleep(LOOK_S)

    def _is_behind(self, positions: list[tuple[Any, ...]]) -> bool:
        """Whether a projector has something left to read: a busy one may stand still for longer than all others."""
        least: dict[tuple[str, int], int] = {}
        for _, topic, number, offset in positions:
            least[topic, number] = min(offset, least.get((topic, number), offset))
        ends = high_watermarks(self._admin, list(least))
        new = {place: end for place, end in ends.items() if end > least[place]}
        return any(chunk for chunk in read_to(self._stage.settings, {place: least[place] for place in new}, new))

    def _ends(self) -> dict[tuple[str, int], int]:
        places = [(topic, number) for topic in self._topics for number in range(PARTITIONS)]
        return high_watermarks(self._admin, places)


def _cpu_seconds(pid: int) -> float:
    with suppress(psutil.NoSuchProcess):
        times = psutil.Process(pid).cpu_times()
        return round(times.user + times.system, 2)
    return 0.0
