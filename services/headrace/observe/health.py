"""What a service says of itself to those that ask: does its loop get on, has it started, is it ready, and why not."""

import time
from typing import Final

from msgspec import Struct

LIMIT_S: Final = {"local": 90.0, "production": 300.0}
"""How long a service may give no sign of life. Each call of the transactional client is one, and none takes longer than
`init_transactions`, 30 s, or the timeout of a transaction, 40 s in production; the rest is for our own code and the
domain's, a batch of it between two calls. After max.poll.interval.ms, 300 s, the group has put its consumer out anyway.
"""
STOPPING_LIMIT_S: Final = {"local": 45.0, "production": 120.0}
"""Likewise from the signal to stop to the end; a supervisor's patience is to be longer."""
SERVERS: Final = "Kafka and Postgres have not answered yet"
FATAL_GRACE_S: Final = 10.0
"""How long a process that only a restart helps may take to end by itself."""


class Finding(Struct, frozen=True):
    """The answer to a probe; `why` is empty when all is well."""

    ok: bool
    why: str = ""


class Health:
    """One service's signs of life. Any thread may ask; the loop tells.

    No sign depends on whether a broker or a database answers: a service that waits for them is alive.
    """

    def __init__(self, profile: str = "local") -> None:
        self._limits = LIMIT_S[profile], STOPPING_LIMIT_S[profile]
        self._beaten = 0.0
        self._waiting_for = SERVERS
        self._fatal = ""
        self._failed_at = 0.0
        self._stopping = False
        self._begun = False

    def begin(self) -> None:
        """Say that the servers were reached and the loop begins."""
        self._begun = True
        self.beat()

    def beat(self) -> None:
        """Say that the loop gets on."""
        self._beaten = time.monotonic()

    def wait_for(self, what: str) -> None:
        """Say why the service is not ready; one that was ready once, stays so."""
        if self._waiting_for:
            self._waiting_for = what

    def wait_for_servers(self) -> None:
        """Say that it is Kafka and Postgres again that the service waits for."""
        self.wait_for(SERVERS)

    def ready(self) -> None:
        """Say that what the first assignment brought is restored."""
        self._waiting_for = ""

    def stop(self) -> None:
        """Say that the service is to end, in good order."""
        self._stopping = True

    def fail(self, why: str) -> None:
        """Say that only a restart helps."""
        if not self._fatal:
            self._fatal, self._failed_at = why, time.monotonic()

    @property
    def limit_s(self) -> float:
        """How long the loop may be silent."""
        return self._limits[self._stopping]

    @property
    def silent_s(self) -> float:
        """Seconds since the loop came round last; 0 before it began."""
        return time.monotonic() - self._beaten if self._beaten else 0.0

    def alive(self) -> Finding:
        """Whether to leave the process running."""
        if self._fatal:
            return Finding(ok=False, why=self._fatal)
        silent = self.silent_s
        if silent > self.limit_s:
            return Finding(ok=False, why=f"the loop has not come round for {silent:.0f} s")
        return Finding(ok=True)

    def is_doomed(self) -> bool:
        """Whether the process is to be ended from outside of its loop, which is silent or goes on regardless."""
        overdue = self._fatal and time.monotonic() - self._failed_at > FATAL_GRACE_S
        return bool(overdue) or self.silent_s > self.limit_s

    def started(self) -> Finding:
        """Whether the servers were reached and the loop has begun; it may be restoring still."""
        return Finding(ok=True) if self._begun else Finding(ok=False, why=self._waiting_for)

    def is_ready(self) -> Finding:
        """Whether the service does its work, for rolling updates to wait for."""
        alive = self.alive()
        if not alive.ok:
            return alive
        if self._stopping:
            return Finding(ok=False, why="the service is stopping")
        return Finding(ok=not self._waiting_for, why=self._waiting_for)
