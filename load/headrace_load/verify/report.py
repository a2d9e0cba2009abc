"""What the verifier found: per check, how much it looked at and what is wrong."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

PROBLEMS_KEPT: Final = 20


class CannotVerify(Exception):  # noqa: N818 - an answer to the one who asked, not an error of the program
    """There is nothing to verify, or no way to reach it; the message is one line that says what to do."""


@dataclass(slots=True)
class Check:
    """One claim about the whole log, and the invariants that it is about.

    `problems` keeps the first ones, `problems_total` counts them all.
    """

    name: str
    claim: str
    invariants: tuple[str, ...] = ()
    counted: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    problems_total: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.problems_total == 0

    @property
    def looked(self) -> bool:
        """Whether there was anything to look at."""
        return not self.ok or any(self.counted.values())

    def count(self, **seen: int) -> None:
        """Add to what was looked at."""
        self.counted.update(seen)

    def problem(self, text: str) -> None:
        """Note something that is wrong."""
        self.problems_total += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(text)

    def add(self, other: "Check") -> None:
        """Add what the same check found elsewhere."""
        self.counted.update(other.counted)
        self.problems_total += other.problems_total
        self.problems += other.problems[: PROBLEMS_KEPT - len(self.problems)]


@dataclass(frozen=True, slots=True)
class Report:
    """All checks, in the order in which to read them, and how long they took."""

    checks: tuple[Check, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.ok for check in self.checks)

    def check(self, name: str) -> Check:
        """The check of that name."""
        return next(check for check in self.checks if check.name == name)

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "ok": self.ok,
            "seconds": round(self.seconds, 3),
            "checks": [
                {
                    "name": check.name,
                    "invariants": list(check.invariants),
                    "claim": check.claim,
                    "ok": check.ok,
                    "looked": check.looked,
                    "counted": dict(check.counted),
                    "problems_total": check.problems_total,
                    "problems": check.problems,
                }
                for check in self.checks
            ],
        }
