"""The ports of a server: free when first chosen, then kept, so that a client finds the server again."""

import json
import random
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

from headrace.local.process import LocalServerError, NeverStarted, ServerProcess, write_whole

# Below those that Linux and macOS give to outgoing connections, so that none is lost while a server is down.
RANGE = range(15_000, 32_000)
LOOPBACK = "127.0.0.1"
ATTEMPTS = 5
_given: set[int] = set()


class Ports:
    """The loopback ports of the server in a folder."""

    def __init__(self, directory: Path, count: int) -> None:
        self._file = directory / "ports.json"
        self._count = count
        self._promised = False

    def known(self) -> list[int]:
        """The ports as last chosen. Raises when the server was never started."""
        try:
            ports = msgspec.json.decode(self._file.read_bytes(), type=list[int])
        except FileNotFoundError:
            raise NeverStarted(f"No server has ever been started in {self._file.parent}") from None
        except ValueError as error:  # msgspec's own, too
            raise LocalServerError(f"{self._file} is damaged ({error}): remove it") from error
        if len(ports) != self._count:
            raise LocalServerError(f"{self._file} is damaged ({len(ports)} ports of {self._count}): remove it")
        return ports

    def settle(self) -> list[int]:
        """Choose the ports, for good: others are told of them before the server starts."""
        if not self._promised:
            self._choose()
            self._promised = True
        return self.known()

    def bring_up(
        self,
        server: ServerProcess,
        launch: Callable[[list[int]], None],
        answers: Callable[[], bool],
        timeout: float,
    ) -> None:
        """Launch a server and wait until it answers; on other ports when someone took these in the meantime.

        Once a server has answered, its ports are promised: a later start gets the same ones or fails.
        """
        for attempt in range(1, ATTEMPTS + 1):
            launch(self.known() if self._promised else self._choose())
            try:
                server.wait_until(answers, timeout)
            except BaseException:
                server.end(signal.SIGKILL, 0)
                taken = "Address already in use" in server.log_of_this_start()
                if self._promised or attempt == ATTEMPTS or not taken:
                    raise
                self._file.unlink()
            else:
                self._promised = True
                return

    def _choose(self) -> list[int]:
        if self._file.exists() and all(map(is_free, self.known())):
            return self.known()
        ports = [port for port in random.sample(RANGE, 64) if is_free(port)][: self._count]
        write_whole(self._file, json.dumps(ports))
        return ports


def free_port() -> int:
    """A port on which a server could listen at this moment, and another one at each call."""
    port = next(port for port in random.sample(RANGE, 64) if port not in _given and is_free(port))
    _given.add(port)
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port at this moment."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True
