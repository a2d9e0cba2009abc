"""Sending commands from Python and waiting for their outcomes; any other Kafka client can do the same."""

import os
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, Self

from confluent_kafka import KafkaError, Message, Producer, murmur2
from msgspec import Struct, structs

from headrace.answers import Answers, fail
from headrace.avro.codec import Codec
from headrace.avro.ids import open_codec
from headrace.kafka.clients import REQUEST_TIMEOUT_S, admin_client, producer_config
from headrace.kafka.rights import refuse_missing_rights, sends
from headrace.kafka.topics import refuse_other_counts
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.errors import Fault
from headrace.kernel.message import CommandMeta, Outcome
from headrace.settings import Settings, read_settings

DELIVERY_TIMEOUT_S: Final = 30.0
ANSWER_S: Final = 30.0
ACQUAINTED_S: Final = 4.0
"""So long at least the brokers may take to tell of an aggregate's topics: of one just made they learn in three."""


class Unanswered(Fault):
    """No outcome came in time; `command_id` and `issued_at` ask for it again."""

    def __init__(self, aggregate: str, meta: CommandMeta, waited_s: float, *, is_sent: bool) -> None:
        known = (
            f"is sent; is `headrace handle {aggregate}` running?"
            if is_sent
            else "is not known to be sent; are the brokers up?"
        )
        super().__init__(f"no outcome within {waited_s:.0f} s: the command {meta.command_id} {known}")
        self.command_id = meta.command_id
        self.issued_at = meta.issued_at


class CommandClient:
    """Appends commands to their topic, in order per aggregate."""

    def __init__(self, codec: Codec, settings: Settings) -> None:
        self._codec = codec
        self._settings = settings
        self._failed: list[str] = []
        self._producer = Producer(producer_config(settings) | {"max.in.flight.requests.per.connection": 1})

    def send(
        self,
        aggregate: Aggregate[Any, Any, Any],
        command: Struct,
        meta: CommandMeta,
        on_failed: Callable[[str], object] | None = None,
        on_sent: Callable[[], object] | None = None,
    ) -> int:
        """Hand a command to the producer; returns the partition that it goes to.

        When the brokers have it `on_sent` is called. When they do not take it `on_failed` is told why; without it
        `flush` tells.

        `Unencodable` for one that no handler would take, such as a record of over a million bytes.
        """
        key = meta.aggregate_id.encode()
        partition: int = murmur2(key, self._settings.partitions)
        frame = self._codec.encode_command(command, meta)
        failed = on_failed or self._failed.append

        def note(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failed(error.str())
            elif on_sent is not None:
                on_sent()

        while True:
            try:
                self._producer.produce(aggregate.command_topic, frame, key, partition=partition, on_delivery=note)
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return partition

    def flush(self) -> None:
        """Wait until the brokers have every command; `Fault` says what they have refused since the last time."""
        waiting = self._producer.flush(DELIVERY_TIMEOUT_S)
        failed = self._failed[:]
        del self._failed[: len(failed)]  # in place: records on their way will note theirs in it
        if waiting or failed:
            late = [f"no broker has taken {waiting} of them within {DELIVERY_TIMEOUT_S:.0f} s"] if waiting else []
            raise Fault(
                f"{waiting + len(failed)} commands are not known to be delivered: {'; '.join(late + failed[:3])}"
            )

    def take_note(self) -> None:
        """Learn what the brokers have taken since."""
        self._producer.poll(0)


class Client:
    """Sends an app's commands and tells what came of them; one for a whole process, for all its threads.

        with Client(app) as client:
            outcome = client.ask("536365", ShipOrder(carrier="DHL", tracking="T1"), expected_version=2)

    The addresses are the environment's, as a service's are. In asyncio `await asyncio.wrap_future(client.send(…))`.

    A command is issued when it is asked or sent, by this machine's clock: handlers refuse as `Expired` what lies in the
    log later than HEADRACE_DEDUP_WINDOW_S after that, since they would not know it again, and as `IssuedInTheFuture`
    what comes from a clock that is more than a minute ahead.
    """

    def __init__(self, app: App, settings: Settings | None = None) -> None:
        self._app = app
        self._settings = settings or read_settings()
        self._admin = admin_client(self._settings)
        codec = open_codec(app, self._settings)
        self._commands = CommandClient(codec, self._settings)
        self._answers = Answers(codec, self._settings, self._admin, self._commands.take_note)
        self._allowed: set[str] = set()
        self._process = os.getpid()

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """As `close` does."""
        self.close()

    def ask(
        self,
        aggregate_id: str,
        command: Struct,
        *,
        timeout_s: float = ANSWER_S,
        command_id: str | None = None,
        issued_at: int | None = None,
        expected_version: int | None = None,
        actor: str | None = None,
    ) -> Outcome:
        """Send a command and wait for its outcome: accepted, refused or parked, which is no error here.

        `Unanswered` when none came in time: the command may be in the log. Asked again with the `command_id` and the
        `issued_at` that the error has, it takes effect once, however often: too late for that, it is refused as
        `Expired`. With the `command_id` alone it may be made a second time once the window is over.

        `timeout_s` counts from the sending. The first command to an aggregate asks the brokers for its topics before,
        which takes a moment; when they do not tell, a `Fault` says so after as long again, four seconds at least.
        """
        meta = new_meta(aggregate_id, command_id, issued_at, expected_version, actor)
        return self.ask_with(self._app.aggregate_of(command), command, meta, timeout_s)

    def send(
        self,
        aggregate_id: str,
        command: Struct,
        *,
        command_id: str | None = None,
        issued_at: int | None = None,
        expected_version: int | None = None,
        actor: str | None = None,
    ) -> Future[Outcome]:
        """Send a command; its outcome settles the future, or a `Fault` does when the command is not known to be sent.

        A command id that was used before, within the window, means the command that it was first used for; without one
        it gets a new one. A resend has the first one's `issued_at`, in milliseconds since 1970. The first command to an
        aggregate waits for what the brokers tell of its topics, half a minute when they are away.
        """
        meta = new_meta(aggregate_id, command_id, issued_at, expected_version, actor)
        return self.send_with(self._app.aggregate_of(command), command, meta)

    def ask_with(
        self, aggregate: Aggregate[Any, Any, Any], command: Struct, meta: CommandMeta, timeout_s: float = ANSWER_S
    ) -> Outcome:
        """`ask` with a meta of the caller's, as a command has that follows from another."""
        if self._answers.is_reading_here:
            raise Fault(
                "this thread reads the outcomes and cannot wait for one: in a callback send, or ask in another thread"
            )
        sent = threading.Event()
        future = self._send(aggregate, command, meta, sent, timeout_s)
        try:
            return future.result(timeout_s)
        except TimeoutError as error:
            future.cancel()
            raise Unanswered(aggregate.name, meta, timeout_s, is_sent=sent.is_set()) from error

    def send_with(self, aggregate: Aggregate[Any, Any, Any], command: Struct, meta: CommandMeta) -> Future[Outcome]:
        """`send` likewise."""
        return self._send(aggregate, command, meta, threading.Event(), ANSWER_S)

    def close(self) -> None:
        """Hand over what is still to be sent, and wait for outcomes no more."""
        try:
            self._commands.flush()
        finally:
            self._answers.close(Fault("the client was closed"))

    def _send(
        self,
        aggregate: Aggregate[Any, Any, Any],
        command: Struct,
        meta: CommandMeta,
        sent: threading.Event,
        patience_s: float,
    ) -> Future[Outcome]:
        if os.getpid() != self._process:
            raise Fault("this client is another process's, and a fork has none of its threads: make one after the fork")
        self._follow(aggregate, max(patience_s, ACQUAINTED_S))
        future = self._answers.expect(meta.command_id)

        def failed(why: str) -> None:
            fail(future, _unsent(command, meta, why))

        try:
            self._commands.send(aggregate, command, meta, failed, sent.set)
        except BaseException:
            future.cancel()
            raise
        return future

    def _follow(self, aggregate: Aggregate[Any, Any, Any], patience_s: float) -> None:
        if aggregate.name in self._allowed:
            return
        topics = [aggregate.command_topic, aggregate.outcome_topic]
        refuse_other_counts(self._admin, topics, self._settings.partitions, min(patience_s, REQUEST_TIMEOUT_S))
        rights = sends(aggregate)
        # Not of the readers' group: asked while brokers hang, librdkafka may end the process (see CONTRIBUTING.md).
        of_topics = tuple(right for right in rights.needed if right.resource == "topic")
        refuse_missing_rights(self._admin, structs.replace(rights, needed=of_topics), self._settings.instance)
        self._answers.follow(aggregate.outcome_topic, patience_s)
        self._allowed.add(aggregate.name)


def new_meta(
    aggregate_id: str, command_id: str | None, issued_at: int | None, expected_version: int | None, actor: str | None
) -> CommandMeta:
    """A command's meta: an id that nobody has, and this machine's time, where none is given."""
    return CommandMeta(
        command_id=command_id or str(uuid.uuid4()),
        aggregate_id=aggregate_id,
        expected_version=expected_version,
        issued_at=now_ms() if issued_at is None else issued_at,
        actor=actor,
    )


def now_ms() -> int:
    """The time of this machine, as `issued_at` has it."""
    return time.time_ns() // 1_000_000


def _unsent(command: Struct, meta: CommandMeta, why: str) -> Fault:
    return Fault(
        f"this {type(command).__name__} is not known to be sent: {why}; ask again with command_id={meta.command_id!r}, "
        f"issued_at={meta.issued_at}: it takes effect once"
    )
