"""A trickle of load while somebody looks: orders, some paid twice or sent twice, and transfers of every kind."""

import threading
import time
from collections.abc import Iterator
from datetime import date
from types import TracebackType
from typing import Final, Self
from uuid import uuid4

from msgspec import Struct

from headrace.app import app
from headrace.avro.codec import Codec
from headrace.avro.contract import read_lock
from headrace.client import CommandClient
from headrace.kernel.errors import Fault
from headrace.kernel.message import CommandMeta
from headrace.orders.commands import CreateOrder, DeliverOrder, PayOrder, ShipOrder
from headrace.orders.events import Line
from headrace.settings import Settings
from headrace_load.bank.scenario import BankScenario
from headrace_load.bank.traffic import Asked, Traffic

PAUSE_S: Final = 0.2
TRANSFERS: Final = BankScenario(
    description="a trickle", accounts=10, transfers=1_000_000, hot=0.1, reviewed=0.1, refused=0.2
)
LIFE: Final[tuple[Struct, ...]] = (
    CreateOrder([Line("85123A", "HEART T-LIGHT HOLDER", 6, 255)], "GBP", date(2010, 12, 1), "17850"),
    PayOrder("p-1", 1530, "GBP"),
    PayOrder("p-2", 1530, "GBP"),  # refused: it is paid
    ShipOrder("Royal Mail", "RM1"),
    DeliverOrder(),
)


class Trickle:
    """Five orders and five transfers a second within the `with`, from another thread.

    What brokers that are away do not take is not sent again.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = self._new_client()
        self._traffic = Traffic(TRANSFERS)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send_all, name="trickle", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _send_all(self) -> None:
        for asked in self._traffic.accounts():
            self._send(*asked)
        for transfer, order in zip(self._traffic.transfers(), self._orders(), strict=False):
            for asked in (*transfer, *order):
                self._send(*asked)
            self._flush()
            if self._over.wait(PAUSE_S):
                return

    def _orders(self) -> Iterator[list[Asked]]:
        began = round(time.time())
        number = 0
        while True:
            number += 1
            yield [Asked("orders", f"trickle-{began}-{number}", command) for command in LIFE]

    def _send(self, aggregate: str, aggregate_id: str, command: Struct) -> None:
        meta = CommandMeta(command_id=str(uuid4()), aggregate_id=aggregate_id, actor="trickle")
        # The resend of a first step, as clients do whose answer got lost: it is answered as repeated.
        for _ in range(2 if isinstance(command, CreateOrder) else 1):
            self._client.send(app.aggregate(aggregate), command, meta)

    def _flush(self) -> None:
        try:
            self._client.flush()
        except Fault:
            self._client = self._new_client()

    def _new_client(self) -> CommandClient:
        return CommandClient(Codec(app, read_lock(self._settings.schemas)), self._settings)
