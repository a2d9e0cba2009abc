"""Where a bank's load plays: the demo's stage, with all services of the bank on it."""

from functools import partial
from pathlib import Path
from typing import Final

from headrace.app import bank
from headrace.audit.signing import make_key_pair
from headrace.kernel.app import AUDIT, JOURNAL
from headrace.local import LocalServers, Patience
from headrace_load.demo.stage import Services, Stage

PATIENT: Final = Patience(longest_pause=0.5, exits=1_000)
"""Services that are killed on purpose are started again."""
SERVICES: Final[Services] = (
    *((f"{each.name}-handler", ("handle", each.name), f"headrace.handle.{each.name}") for each in bank.aggregates),
    *((each.name, ("react", each.name), f"headrace.react.{each.name}") for each in bank.reactors),
    *((f"{each.name}-projector", ("project", each.name), f"headrace.project.{each.schema}") for each in bank.views),
    *((f"{name}-projector", ("project", name), f"headrace.project.{name}") for name in (JOURNAL, AUDIT)),
)
SIGNED_ROWS: Final = "5000"
"""After so many rows of a partition journal and audit are signed."""


class BankStage(Stage):
    """Servers and services in `folder`; both end with the `with`, however that ends. `full_jit` is the broker's."""

    def __init__(self, folder: Path, schemas: Path, replicas: int, *, full_jit: bool = False) -> None:
        servers = partial(LocalServers, full_jit=full_jit)
        super().__init__(folder, schemas, PATIENT, replicas, servers, app=("bank", bank))

    @property
    def key(self) -> Path:
        """What history is signed with; the public key lies beside it."""
        return self.folder / "key"

    def start_services(self) -> list[str]:
        """Start the replicas of each service; returns their names once each has partitions of its own."""
        make_key_pair(self.key)
        signing = {"HEADRACE_AUDIT_KEY": str(self.key), "HEADRACE_AUDIT_ROWS": SIGNED_ROWS}
        for name, arguments, _ in SERVICES:
            for number in range(1, self.replicas + 1):
                slot = ("--slot", str(number)) if arguments[0] in ("handle", "react") else ()
                self._start(f"{name}-{number}", *arguments, *slot, env=signing)
                self._names.append(f"{name}-{number}")
        self._wait_for_partitions(SERVICES, self.replicas)
        return self._names
