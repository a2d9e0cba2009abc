"""Every mutant's place in the engine is still there, and takes it: a renamed method must not make one a no-op."""

import re
from pathlib import Path
from typing import Any

import pytest

from headrace.handler import partition
from headrace.handler.shortcut import no_shortcut, shortcut
from headrace_load.mutants import MUTANTS, Mutant
from headrace_load.mutants.wrapping import Strikes
from headrace_load.verify.claims import CLAIMS

FAULTS = Path(__file__).parent / "faults"

EACH = pytest.mark.parametrize("mutant", MUTANTS.values(), ids=list(MUTANTS))


@EACH
def test_the_piece_that_a_mutant_gets_wrong_is_there(mutant: Mutant) -> None:
    owner, name = mutant.find()
    assert callable(getattr(owner, name))


@EACH
def test_a_mutant_says_in_one_sentence_what_it_breaks(mutant: Mutant) -> None:
    assert mutant.breaks.endswith(".")
    assert mutant.breaks == (mutant.wrong.__doc__ or "").strip()


@EACH
def test_a_mutant_takes_the_place_of_the_piece(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name = mutant.find()
    right: Any = getattr(owner, name)
    monkeypatch.setattr(owner, name, right)  # so that it is put back
    monkeypatch.setattr(partition, "shortcut", shortcut)
    mutant.install(1)
    assert getattr(owner, name).__wrapped__ is right
    assert vars(partition)["shortcut"]() is no_shortcut  # no compiled code goes round it


def test_every_mutant_is_run_and_has_a_check_that_catches_it() -> None:
    tests = "".join(path.read_text() for path in FAULTS.glob("test_mutants*.py"))
    assert MUTANTS.keys() - set(re.findall(r"\w+", tests)) == set()
    beside_another = {name for name, mutant in MUTANTS.items() if not mutant.caught_by}
    assert beside_another == {"offsets_before_records"}
    assert {mutant.caught_by for mutant in MUTANTS.values()} - {""} <= CLAIMS.keys() | {"observer"}


def test_a_mutant_strikes_at_the_chance_that_was_asked_for_or_from_then_on() -> None:
    once, always = Strikes("once", 3), Strikes("always", 3)
    assert [once.once() for _ in range(5)] == [False, False, True, False, False]
    assert [always.from_then_on() for _ in range(5)] == [False, False, True, True, True]
