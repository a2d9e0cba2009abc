"""How a mutant is put in the place of the piece of the engine that it gets wrong."""

import importlib
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from msgspec import Struct
from structlog import get_logger

from headrace.handler.shortcut import no_shortcut

SHORTCUT: Final = "headrace.handler.partition:shortcut"

log = get_logger("headrace.mutants")


class Strikes:
    """Says when a mutant is to strike, counts how often it did, and tells the log each time.

    `seen` is for what a mutant must remember.
    """

    def __init__(self, name: str, count: int) -> None:
        self.seen: set[Any] = set()
        self._name = name
        self._count = count
        self._chances = 0
        self._struck = 0

    def once(self) -> bool:
        """Whether this chance is the one: the COUNT-th."""
        return self._strike_if(self._chances + 1 == self._count)

    def from_then_on(self) -> bool:
        """Whether this chance is the COUNT-th or a later one."""
        return self._strike_if(self._chances + 1 >= self._count)

    def _strike_if(self, now: bool) -> bool:
        self._chances += 1
        if now:
            self._struck += 1
            log.warning("mutant struck", mutant=self._name, strikes=self._struck, chance=self._chances)
        return now


class Mutant(Struct, frozen=True):
    """A piece of the engine, as `module:attribute` or `module:Class.method`, and what it does wrongly.

    `wrong(right, strikes, *arguments, **named)` is called in its place; `right` is the piece itself. `caught_by` names
    the check of the verifier that catches it, or the "observer"; it is empty for what is wrong only beside another one.
    """

    wrong: Callable[..., Any]
    seam: str
    caught_by: str

    @property
    def name(self) -> str:
        """What HEADRACE_FAILPOINT=mutant:NAME calls it."""
        return self.wrong.__name__

    @property
    def breaks(self) -> str:
        """What goes wrong, in a sentence."""
        return (self.wrong.__doc__ or "").strip().partition("\n")[0]

    def find(self) -> tuple[Any, str]:
        """The module or class that has the piece, and the piece's name; raises when it is not there any more."""
        return _piece(self.seam)

    def install(self, count: int) -> None:
        """Get it wrong from now on, in this process."""
        owner, last = self.find()
        right, wrong, strikes = getattr(owner, last), self.wrong, Strikes(self.name, count)

        @wraps(right, updated=())
        def instead(*arguments: Any, **named: Any) -> Any:
            return wrong(right, strikes, *arguments, **named)

        setattr(owner, last, instead)
        # Compiled code would go round the piece.
        owner, last = _piece(SHORTCUT)
        setattr(owner, last, lambda *_: no_shortcut)


def _piece(seam: str) -> tuple[Any, str]:
    module, _, path = seam.partition(":")
    *owners, last = path.split(".")
    owner: Any = importlib.import_module(module)
    for name in owners:
        owner = getattr(owner, name)
    getattr(owner, last)
    return owner, last
