"""What every local server is: one process, looked at by its number and its log, and used in a `with`."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from headrace.local.process import ServerProcess


class LocalServer(ABC):
    """A server that is one process in a folder of its own; whoever derives from it makes `_process`."""

    _process: ServerProcess

    @property
    def log_file(self) -> Path:
        """Where it logs."""
        return self._process.log_file

    @property
    def pid(self) -> int | None:
        """The number of its (first) process, None when it does not run."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether that process is alive, whoever started it."""
        return self._process.running

    @abstractmethod
    def start(self) -> Self:
        """Start it and return when it answers. Raises `LocalServerError` with the end of its log."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it in order."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
