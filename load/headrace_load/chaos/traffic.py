"""The load: an open one, which goes on whatever breaks, and a history of what its clients saw."""

import heapq
import itertools
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaError, Message, Producer, murmur2

from headrace.app import shop
from headrace.avro.codec import Codec
from headrace.avro.contract import read_lock
from headrace.kafka.clients import producer_config
from headrace.settings import Settings
from headrace_load.chaos.asked import Asked, Shop
from headrace_load.demo.stage import DOMAIN
from headrace_load.history import HistoryWriter, Result, Sent

CLIENTS: Final = 2
FLUSH_S: Final = 60.0
TOPIC: Final = f"{DOMAIN}.commands"
STRANGER: Final = b"stranger"
# What a client of ours cannot know the end of; everything else that fails lies in no log.
UNKNOWN: Final = frozenset({KafkaError._MSG_TIMED_OUT, KafkaError._TRANSPORT, KafkaError.REQUEST_TIMED_OUT})  # noqa: SLF001


class Traffic:
    """Clients that send `rate` commands a second, and their resends, from `start` to `stop`."""

    def __init__(self, settings: Settings, seed: int, rate: float, history: Path) -> None:
        self.results: Counter[Result] = Counter()
        self.shop = Shop(seed)
        self._settings = settings
        self._codec = Codec(shop, read_lock(settings.schemas))
        self._history = HistoryWriter(history)
        self._rate = rate
        # Resends go through another client than the first send, as through another instance of a gateway.
        config = producer_config(settings) | {
            "error_cb": lambda _: None,
            "log_level": 0,
            "max.in.flight.requests.per.connection": 1,
        }
        self._producers = itertools.cycle([Producer(config) for _ in range(CLIENTS)])
        self._later: list[tuple[float, int, Asked]] = []
        self._number = itertools.count()
        self._over = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="traffic")

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send what was still to be resent, wait for the broker to have it all, and close the history.

        Raises what has ended the sending before.
        """
        self._over.set()
        self._thread.join()
        if self._failed:
            raise self._failed
        for _, _, asked in sorted(self._later):
            self._send(asked)
        left = sum(next(self._producers).flush(FLUSH_S) for _ in range(CLIENTS))
        if not left:
            self._history.complete()
        self._history.close()

    def _run(self) -> None:
        began = time.monotonic()
        try:
            for number in itertools.count():
                due = began + number / self._rate
                self._send_due(due)
                if self._over.wait(max(0.0, due - time.monotonic())):
                    return
                for asked in self.shop.ask(int(time.time() * 1000)):
                    if asked.after_s:
                        heapq.heappush(self._later, (due + asked.after_s, next(self._number), asked))
                    else:
                        self._send(asked)
        except BaseException as error:  # noqa: BLE001 - whatever it is, `stop` raises it
            self._failed = error

    def _send_due(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            self._send(heapq.heappop(self._later)[2])

    def _send(self, asked: Asked) -> None:
        producer = next(self._producers)
        if asked.meta is None or asked.command is None:
            value, key, sent = asked.value, STRANGER, Sent("", DOMAIN, "", _now_ms(), 0.0, "info")
        else:
            value, key = self._codec.encode(asked.command, asked.meta), asked.meta.aggregate_id.encode()
            sent = Sent(asked.meta.command_id, DOMAIN, asked.meta.aggregate_id, _now_ms(), 0.0, "info")
        partition = murmur2(key, self._settings.partitions)
        try:
            producer.produce(TOPIC, value, key, partition=partition, on_delivery=partial(self._note, sent))
        except BufferError:
            self._write(sent, "fail")
        producer.poll(0)

    def _note(self, sent: Sent, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._write(sent, "ok", message.partition(), message.offset())
        else:
            self._write(sent, "info" if error.code() in UNKNOWN else "fail")

    def _write(self, sent: Sent, result: Result, partition: int | None = None, offset: int | None = None) -> None:
        self.results[result] += 1
        self._history.write(
            Sent(
                sent.command_id,
                sent.aggregate,
                sent.aggregate_id,
                sent.start_ms,
                _now_ms(),
                result,
                partition,
                offset,
            )
        )


def _now_ms() -> float:
    return time.time() * 1000
