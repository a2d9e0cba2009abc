"""A TCP proxy that reads Kafka's frames: it loses the answer to one request, or delivers one request much too late.

A broker that advertises the proxy's address is reached through it alone. Each client connection has one to the broker;
requests and responses pass as they are, except those that `hold` or `lose_answer` asked for.

request    int32 size, int16 api key, int16 api version, int32 correlation id, …
response   int32 size, int32 correlation id, …
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Self

ANSWER_SECONDS: Final = 30.0
AT_ONCE: Final = struct.pack("ii", 1, 0)  # closed by a reset, with nothing said


class Api(IntEnum):
    """The kinds of request that a transaction consists of."""

    PRODUCE = 0
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS = 24
    ADD_OFFSETS = 25
    END_TRANSACTION = 26
    COMMIT_OFFSETS = 28


@dataclass(eq=False)
class Caught:
    """The fate of one request: `happened` is set when it came and its client was cut off.

    A held one waits for `deliver`, on the connection that it came for.
    """

    api: Api
    text: bytes
    then_away: bool
    happened: threading.Event = field(default_factory=threading.Event)
    _answered: threading.Event = field(default_factory=threading.Event)
    _frame: bytes = b""
    _answer: bytes = b""
    _broker: socket.socket | None = None

    def fits(self, frame: bytes) -> bool:
        """Whether a request is the first one of this kind that contains the text."""
        return not self._frame and api_of(frame) == self.api and self.text in frame

    def take(self, frame: bytes, broker: socket.socket) -> None:
        """Remember that it is this one."""
        self._frame, self._broker = frame, broker

    def answers(self, frame: bytes) -> bool:
        """Whether a response is the answer to it; then it is kept."""
        if not self._frame or correlation_of(frame) != struct.unpack_from(">i", self._frame, 4)[0]:
            return False
        self._answer = frame
        self._answered.set()
        return True

    def deliver(self) -> bytes:
        """Bring a held request to the broker now; what it answers, from after the correlation id on."""
        if self._broker is None or not self.happened.is_set():
            raise RuntimeError("no request is held")
        _send(self._broker, self._frame)
        if not self._answered.wait(ANSWER_SECONDS):
            raise TimeoutError(f"the broker does not answer the late {self.api.name}")
        return self._answer[4:]


class FrameProxy:
    """Listens on a loopback port of its own; passes connections on to `target`, a broker's port, once that is set."""

    def __init__(self) -> None:
        self.target = 0
        self._reachable = True
        self._held: list[Caught] = []
        self._lost: list[Caught] = []
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._thread.start()

    def hold(self, api: Api, text: str, *, then_away: bool = False) -> Caught:
        """Keep the next request of this kind that contains `text` from the broker, and cut its client off.

        With `then_away` the proxy goes away before the client can try again.
        """
        self._held.append(Caught(api, text.encode(), then_away))
        return self._held[-1]

    def lose_answer(self, api: Api, text: str, *, then_away: bool = False) -> Caught:
        """Let the next such request through, and cut its client off instead of answering."""
        self._lost.append(Caught(api, text.encode(), then_away))
        return self._lost[-1]

    def go_away(self) -> None:
        """Reset every connection, and each new one until `come_back`."""
        self._reachable = False
        for connection in list(self._open):
            _reset(connection)

    def come_back(self) -> None:
        """Accept connections again."""
        self._reachable = True

    def close(self) -> None:
        """Accept nothing more, and reset what is open."""
        _reset(self._listener)
        self._thread.join(1)
        self.go_away()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._reachable:
                    threading.Thread(target=self._serve, args=(client,), name="proxied", daemon=True).start()
                else:
                    _reset(client)

    def _serve(self, client: socket.socket) -> None:
        """One connection: its requests here, the answers to them in a thread beside."""
        try:
            broker = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            _reset(client)
            return
        ends = {client, broker}
        for end in ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open |= ends
        caught: list[Caught] = []
        answers = threading.Thread(target=self._answer, args=(client, broker, caught), name="answers", daemon=True)
        answers.start()
        held = self._ask(client, broker, caught)
        if held:
            self._open.discard(broker)
            self._cut_off(client, held)
        else:
            _reset(client)
            _reset(broker)
        answers.join()
        _reset(broker)
        self._open -= ends

    def _ask(self, client: socket.socket, broker: socket.socket, caught: list[Caught]) -> Caught | None:
        """Pass requests on until an end closes, or one is held: that one."""
        with contextlib.suppress(OSError):
            for frame in _frames(client):
                for one in [one for one in self._held + self._lost if one.fits(frame)]:
                    one.take(frame, broker)
                    caught.append(one)
                    if one in self._held:
                        return one
                _send(broker, frame)
        return None

    def _answer(self, client: socket.socket, broker: socket.socket, caught: list[Caught]) -> None:
        """Pass responses on until the broker closes; one whose answer is to be lost ends the client's connection."""
        with contextlib.suppress(OSError):
            for frame in _frames(broker):
                ours = [one for one in caught if one.answers(frame)]
                if not ours:
                    with contextlib.suppress(OSError):
                        _send(client, frame)
                elif ours[0] in self._lost:
                    self._cut_off(client, ours[0])
        _reset(client)

    def _cut_off(self, client: socket.socket, caught: Caught) -> None:
        if caught.then_away:
            self.go_away()
        _reset(client)
        caught.happened.set()


def api_of(request: bytes) -> int:
    """The api key of a request."""
    return int.from_bytes(request[:2], "big")


def correlation_of(response: bytes) -> int:
    """The correlation id of a response."""
    return int.from_bytes(response[:4], "big", signed=True)


def _frames(connection: socket.socket) -> Iterator[bytes]:
    """What comes, frame by frame without its size, until the connection ends."""
    with contextlib.suppress(OSError), connection.makefile("rb") as stream:
        while len(head := stream.read(4)) == 4:  # noqa: PLR2004 - an int32
            size = int.from_bytes(head, "big")
            frame = stream.read(size)
            if len(frame) < size:
                return
            yield frame


def _send(connection: socket.socket, frame: bytes) -> None:
    connection.sendall(len(frame).to_bytes(4, "big") + frame)


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        # Wakes whoever waits for more in another thread; closing alone would not.
        connection.shutdown(socket.SHUT_RD)
    connection.close()
