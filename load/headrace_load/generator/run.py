"""One run: processes that send, one that observes, and this one, which looks at the lag, waits and counts."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from headrace.app import shop
from headrace.kernel.errors import Fault
from headrace.settings import Settings
from headrace_load.generator.arrivals import peak
from headrace_load.generator.check import VIEW
from headrace_load.generator.histogram import Histogram
from headrace_load.generator.lag import Lag
from headrace_load.generator.observer import SAMPLES_PER_S, Second, Seen, Watch, observe
from headrace_load.generator.processes import Crew, Helper
from headrace_load.generator.scenario import Scenario
from headrace_load.generator.sender import DOMAIN, Counts, Finished, Task, send
from headrace_load.history import Complete

HISTORY: Final = "history.jsonl"
OBSERVER: Final = "the observer"
START_DELAY_S: Final = 0.3
LOOK_S: Final = 0.25
STALLED_S: Final = 60.0
"""Without any progress for so long, what is left counts as undrained."""
FLOOD_RATE: Final = 50_000.0
"""What is assumed of a flood when it is decided how many commands are measured."""


class Moment(Struct, kw_only=True):
    """How things stood at the end of a second of the run; rates are of that second, latencies in milliseconds."""

    at: int
    sent: int = 0
    acked: int = 0
    dropped: int = 0
    outcomes: int = 0
    events: int = 0
    rows: int = 0
    handler_lag: int = 0
    view_lag: int = 0
    p50: dict[str, float] = {}
    p99: dict[str, float] = {}


class Finding(Struct, frozen=True, kw_only=True):
    """What a run found: totals, histograms by what was timed, moment by moment; `start` in seconds since 1970."""

    start: float
    counts: Counts
    seen: Seen
    histograms: dict[str, Histogram]
    moments: list[Moment]
    sending_s: float
    drain_s: float
    undrained: int
    sender_cpu_s: float
    stride: int


Watcher = Callable[[Moment, Counts], None]
"""Is told how things stand, some times a second."""


def run(scenario: Scenario, settings: Settings, folder: Path, watcher: Watcher) -> Finding:
    """Load the system as the scenario says, and wait until all of it is answered and in the read models.

    Writes `history.jsonl` into the folder. Raises `Fault` when a process of the run ends on the way.
    """
    tag = os.urandom(4).hex()
    parts = [folder / f"history-{worker}.part" for worker in range(scenario.workers)]
    with Lag(settings) as lag:
        alone = not lag.commands()
        watch = _watch(scenario, settings, tag, lag)
        senders = [
            Helper(f"sender {worker + 1}", send, Task(scenario, settings, tag, worker, part))
            for worker, part in enumerate(parts)
        ]
        with Crew([*senders, Helper(OBSERVER, observe, watch)]) as crew:
            finding = Monitor(crew, lag, watcher, watch.stride).run(scenario.workers)
    _join(parts, folder / HISTORY, complete=alone)
    return finding


def _join(parts: list[Path], history: Path, *, complete: bool) -> None:
    """The workers' operations as one history; it says that it is all when nobody else has sent anything before."""
    sent = 0
    with history.open("wb") as whole:
        for part in parts:
            with part.open("rb") as lines:
                for line in lines:
                    sent += 1
                    whole.write(line)
            part.unlink()
        if complete:
            whole.write(msgspec.json.encode(Complete(sent)) + b"\n")


def _watch(scenario: Scenario, settings: Settings, tag: str, lag: Lag) -> Watch:
    aggregate = shop.aggregate(DOMAIN)
    rate = peak(scenario.arrivals) or FLOOD_RATE
    return Watch(
        settings,
        tag,
        DOMAIN,
        aggregate.event_topic,
        aggregate.outcome_topic,
        shop.view(VIEW).schema,
        lag.ends(),
        max(1, round(rate / SAMPLES_PER_S)),
        round(scenario.warm_up_s * 1e6),
    )


class Monitor:
    """Hears the processes, looks at the lag, and knows when the run is over."""

    def __init__(self, crew: Crew, lag: Lag, watcher: Watcher, stride: int) -> None:
        self._crew = crew
        self._lag = lag
        self._watcher = watcher
        self._stride = stride
        self._counts: dict[str, Counts] = {}
        self._finished: list[Finished] = []
        self._moments: dict[int, Moment] = {}
        self._seen: Seen | None = None
        self._told = Counts()
        self._lag_now = 0
        self._newest = 0
        self._progress = (0, 0)

    def run(self, senders: int) -> Finding:
        """From the start to the last row."""
        self._start = self._crew.start(START_DELAY_S)
        while len(self._finished) < senders:
            self._hear()
        sending_s = time.time() - self._start
        seen, undrained = self._drain()
        drain_s = time.time() - self._start - sending_s
        latencies = {f"command_to_{name}": Histogram.merged([hdr]) for name, hdr in seen.histograms.items()}
        return Finding(
            start=self._start,
            counts=self._total(),
            seen=seen,
            histograms={**latencies, "lateness": Histogram.merged([one.lateness for one in self._finished])},
            moments=[self._moments[at] for at in sorted(self._moments)],
            sending_s=max(one.seconds for one in self._finished) if self._finished else sending_s,
            drain_s=drain_s,
            undrained=undrained,
            sender_cpu_s=sum(one.cpu_s for one in self._finished),
            stride=self._stride,
        )

    def _drain(self) -> tuple[Seen, int]:
        """Wait until all is answered, seen and in all read models; how much is left when nothing moves any more."""
        moved = time.monotonic()
        asked, left = False, 0
        while self._seen is None:
            if self._hear():
                moved = time.monotonic()
            stalled = time.monotonic() - moved > STALLED_S
            if not asked and self._lag_now == 0 and self._lag.unanswered() == 0:
                asked = True
                self._crew.tell(OBSERVER, self._lag.ends())
            elif stalled and not left:
                left = max(1, (self._lag.unanswered() or 0) + self._newest_moment().view_lag)
                self._crew.tell(OBSERVER, None)  # which says what it has seen, at once
                moved = time.monotonic()
            elif stalled:
                raise Fault("the observer does not end: is the machine too busy?")
        while behind := self._lag.behind_the_view():
            if time.monotonic() - moved > STALLED_S:
                return self._seen, left + len(behind)
            time.sleep(LOOK_S)
        return self._seen, left

    def _hear(self) -> bool:
        """Hear what the processes say, look at the lag once a second; says whether anything has moved."""
        for helper, told in self._crew.hear(LOOK_S):
            if isinstance(told, Counts):
                self._counts[helper.name] = told
            elif isinstance(told, Finished):
                self._counts[helper.name] = told.counts
                self._finished.append(told)
                helper.over = True
            elif isinstance(told, Second):
                self._note(told)
            elif isinstance(told, Seen):
                self._seen = told
                helper.over = True
        self._look()
        total = self._total()
        newest = self._newest_moment()
        self._watcher(newest, total)
        progress = (total.acked, sum(moment.outcomes + moment.rows for moment in self._moments.values()))
        moved, self._progress = progress != self._progress, progress
        return moved

    def _look(self) -> None:
        """Once a second: what was sent in it, and the handlers' lag at its end."""
        at = int(time.time() - self._start)
        if at <= self._newest:
            return
        self._newest = at
        unanswered = self._lag.unanswered()
        self._lag_now = self._lag_now if unanswered is None else unanswered
        total = self._total()
        moment = self._moment(at - 1)
        moment.sent, moment.acked = total.sent - self._told.sent, total.acked - self._told.acked
        moment.dropped, moment.handler_lag = total.dropped - self._told.dropped, self._lag_now
        self._told = total

    def _note(self, second: Second) -> None:
        moment = self._moment(second.at)
        moment.outcomes, moment.events, moment.rows = second.outcomes, second.events, second.rows
        moment.view_lag, moment.p50, moment.p99 = second.rowless, second.p50, second.p99

    def _moment(self, at: int) -> Moment:
        return self._moments.setdefault(at, Moment(at=at))

    def _newest_moment(self) -> Moment:
        return self._moments[max(self._moments)] if self._moments else Moment(at=0)

    def _total(self) -> Counts:
        counts = list(self._counts.values())
        names = Counts.__struct_fields__
        return Counts(*(sum(getattr(count, name) for count in counts) for name in names))
