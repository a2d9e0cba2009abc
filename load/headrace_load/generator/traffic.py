"""What is sent next: which kind of record, about which order, as the scenario's mix and keys have it."""

import random
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Final, NamedTuple

from confluent_kafka import murmur2

from headrace_load.generator.frames import Frames
from headrace_load.generator.ids import command_id, order_id
from headrace_load.generator.scenario import Scenario, Uniform

CHOSEN_AT_ONCE: Final = 1_000
CANCELLED: Final = 10
"""One order in so many is cancelled instead of shipped."""
PAID: Final = 2
LIFE: Final = 4
MOST_RESENDS: Final = 5
STRANGE: Final[tuple[bytes | None, ...]] = (
    b"not a command at all",
    b"\0\0\0\0\7half a record",
    b"\0",
    b"\0\x7f\xff\xff\xff" + b"\xff" * 60,
    None,
)


class Operation(NamedTuple):
    """One record to send; `command_id` is empty for what is no command."""

    command_id: str
    order_id: str
    key: bytes
    partition: int
    value: bytes | None


class Traffic:
    """One worker's records: it alone sends for its keys, so that they lie in the log in the order in which it sends.

    A key is a chain of orders, one after the other. With an uneven distribution all orders of a key lie on the
    partition of its first, so that a hot key makes a hot partition, and an order's rules do not end its traffic.
    """

    def __init__(self, scenario: Scenario, frames: Frames, run: str, worker: int, partitions: int) -> None:
        self._frames = frames
        self._run = run
        self._worker = worker
        self._partitions = partitions
        self._random = random.Random(f"{scenario.seed}/{worker}/traffic")  # noqa: S311 - a load, not a secret
        weights = scenario.keys.weights()[worker :: scenario.workers]
        self._sticky = not isinstance(scenario.keys, Uniform)
        self._numbers = range(worker, worker + len(weights) * scenario.workers, scenario.workers)
        self._weights = array("d", accumulate(weights))
        self._chains: dict[int, _Chain] = {}
        self._sent = 0
        self._again: deque[tuple[Operation, int]] = deque()
        self._reusable: deque[Operation] = deque()
        self._kinds = self._choices(scenario.mix.weights)
        self._keys = self._choose_keys()

    def next(self, due_us: int) -> Operation:
        """The record that is due then, in microseconds from the run's start."""
        self._sent += 1
        return next(self._kinds)(due_us)

    def _lifecycle(self, due_us: int, *, once: bool = True) -> Operation:
        chain = self._chain()
        step = chain.step
        if step == PAID and chain.orders % CANCELLED == 0:
            frame, chain.step = self._frames.cancelled, LIFE
        else:
            frame, chain.step = self._frames.life[chain.cart][step], step + 1
        name = command_id(self._run, self._worker, self._sent, due_us, once=once)
        return Operation(name, chain.order_id, chain.key, chain.partition, frame.fill(name.encode(), chain.key))

    def _refused(self, due_us: int) -> Operation:
        chain = self._chain()
        # Shipped before it is paid, paid twice, created twice.
        step = {0: 2, 1: 2, 2: 1, 3: 0}[chain.step]
        return self._aside(chain, self._frames.life[chain.cart][step].fill, due_us)

    def _conflict(self, due_us: int) -> Operation:
        chain = self._chain()
        return self._aside(chain, self._frames.conflicting[chain.cart][chain.step].fill, due_us)

    def _resend(self, due_us: int) -> Operation:
        if not self._again:
            first = self._lifecycle(due_us, once=False)
            self._again.append((first, self._random.randint(1, MOST_RESENDS)))
            return first
        operation, times = self._again.popleft()
        if times > 1:
            self._again.append((operation, times - 1))
        return operation

    def _reused_id(self, due_us: int) -> Operation:
        if not self._reusable:
            first = self._lifecycle(due_us, once=False)
            self._reusable.append(first)
            return first
        first = self._reusable.popleft()
        return first._replace(value=self._frames.other_body.fill(first.command_id.encode(), first.key))

    def _garbage(self, _due_us: int) -> Operation:
        chain = self._chain()
        return Operation("", chain.order_id, chain.key, chain.partition, self._random.choice(STRANGE))

    def _aside(self, chain: "_Chain", fill: Callable[[bytes, bytes], bytes], due_us: int) -> Operation:
        """A command that leaves its order where it is."""
        name = command_id(self._run, self._worker, self._sent, due_us)
        return Operation(name, chain.order_id, chain.key, chain.partition, fill(name.encode(), chain.key))

    def _chain(self) -> "_Chain":
        number = next(self._keys)
        chain = self._chains.get(number)
        if chain is None:
            chain = self._chains[number] = _Chain()
        if chain.step == LIFE:
            self._begin(chain, number)
        return chain

    def _begin(self, chain: "_Chain", number: int) -> None:
        """Take up the key's next order."""
        while True:
            chain.order_id = order_id(self._run, number, chain.orders)
            chain.key = chain.order_id.encode()
            partition = murmur2(chain.key, self._partitions)
            chain.orders += 1
            if not self._sticky or chain.partition in (partition, -1):
                break
        chain.partition, chain.step = partition, 0
        chain.cart = chain.orders % self._frames.carts

    def _choices(self, weights: dict[str, float]) -> Iterator[Callable[[int], Operation]]:
        makers: dict[str, Callable[[int], Operation]] = {
            "lifecycle": self._lifecycle,
            "refused": self._refused,
            "resend": self._resend,
            "reused_id": self._reused_id,
            "conflict": self._conflict,
            "garbage": self._garbage,
        }
        listed = [makers[name] for name in weights]
        cumulative = list(accumulate(weights.values()))
        while True:
            yield from self._random.choices(listed, cum_weights=cumulative, k=CHOSEN_AT_ONCE)

    def _choose_keys(self) -> Iterator[int]:
        even = not self._sticky
        while True:
            if even:
                yield from self._random.choices(self._numbers, k=CHOSEN_AT_ONCE)
            else:
                yield from self._random.choices(self._numbers, cum_weights=self._weights, k=CHOSEN_AT_ONCE)


class _Chain:
    """A key's present order and its next step."""

    __slots__ = ("cart", "key", "order_id", "orders", "partition", "step")

    def __init__(self) -> None:
        self.order_id, self.key, self.partition = "", b"", -1
        self.step, self.orders, self.cart = LIFE, 0, 0


def share_of(scenario: Scenario, worker: int) -> float:
    """The share of all arrivals that a worker sends: that of its keys."""
    weights = scenario.keys.weights()
    return sum(weights[worker :: scenario.workers]) / sum(weights)
