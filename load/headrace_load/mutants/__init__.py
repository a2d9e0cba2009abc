"""Services made wrong on purpose, to see that the verifier notices: HEADRACE_FAILPOINT=mutant:NAME[:COUNT].

Each mutant is a small function that takes the place of a piece of the engine, named by its module and its attribute,
and gets one thing wrong: at the COUNT-th chance, or from then on. It says so in the service's log. Nothing of this is
in the wheel, and the services know of it by one hook in `headrace.failpoint`.

Reading order: `wrapping` (how a piece is replaced), then the mutants: `writing` (records and offsets as the brokers get
them), `answering` (one command), `taking_over` (a partition's past), `projecting` (rows and positions), `paying`
(money).
"""

from typing import Final

from headrace.kernel.errors import Misconfigured
from headrace_load.mutants import answering, paying, projecting, taking_over, writing
from headrace_load.mutants.wrapping import Mutant

MUTANTS: Final = {
    mutant.name: mutant for part in (writing, answering, taking_over, projecting, paying) for mutant in part.MUTANTS
}

__all__ = ["MUTANTS", "Mutant", "install"]


def install(name: str, count: int) -> None:
    """Make this process wrong; `Misconfigured` for a mutant that nobody knows."""
    if name not in MUTANTS:
        raise Misconfigured(f"HEADRACE_FAILPOINT=mutant:{name}: no such mutant; there are {', '.join(sorted(MUTANTS))}")
    MUTANTS[name].install(count)
