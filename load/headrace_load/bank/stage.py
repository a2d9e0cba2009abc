"""Where a bank's load plays: the demo's stage, with all services of the bank on it."""

from pathlib import Path
from typing import Final

from headrace.app import bank
from headrace.kernel.app import JOURNAL
from headrace.local import Patience
from headrace_load.demo.stage import Services, Stage

PATIENT: Final = Patience(longest_pause=0.5, exits=1_000)
"""Services that are killed on purpose are started again."""
SERVICES: Final[Services] = (
    *((f"{each.name}-handler", ("handle", each.name), f"headrace.handle.{each.name}") for each in bank.aggregates),
    *((each.name, ("react", each.name), f"headrace.react.{each.name}") for each in bank.reactors),
    *((f"{each.name}-projector", ("project", each.name), f"headrace.project.{each.schema}") for each in bank.views),
    ("journal-projector", ("project", JOURNAL), f"headrace.project.{JOURNAL}"),
)


class BankStage(Stage):
    """Servers and services in `folder`; both end with the `with`, however that ends."""

    def __init__(self, folder: Path, schemas: Path, replicas: int) -> None:
        super().__init__(folder, schemas, PATIENT, replicas, app=("bank", bank))

    def start_services(self) -> list[str]:
        """Start the replicas of each service; returns their names once each has partitions of its own."""
        for name, arguments, _ in SERVICES:
            for number in range(1, self.replicas + 1):
                slot = ("--slot", str(number)) if arguments[0] in ("handle", "react") else ()
                self._start(f"{name}-{number}", *arguments, *slot)
                self._names.append(f"{name}-{number}")
        self._wait_for_partitions(SERVICES, self.replicas)
        return self._names
