"""A walk along one partition's chain: which rows were changed, removed, inserted or moved. Pure.

A row tells its number and its hash. Whoever forges without computing all later hashes anew leaves a row that does not
follow from the one before it; whoever computes them all anew leaves other hashes than were signed.
"""

from array import array
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from headrace.audit.chain import Head, beginning, link
from headrace.audit.findings import CHANGED, INSERTED, MOVED, REMOVED, Finding, Pin, Pins, Row, Seen, Why
from headrace.audit.order import gaps, out_of_order

RECENT: Final = 1_000
"""So many rows back a row's predecessor is looked for."""
MOST_SUSPECTS: Final = 1_000
UNFOLLOWED: Final = "its hash does not follow from its content and the row before it"
MOST_COMPARED: Final = 64
"""So many suspects are compared with each other, to tell which rows have changed places."""


class Suspect(NamedTuple):
    """A row whose hash does not follow from `before`; `computed` would."""

    row: Row
    before: bytes
    computed: bytes


class Walk:
    """All rows of one partition, seen in offset order, and then what is wrong with them."""

    def __init__(self, place: tuple[str, int], head: Head, pins: Iterable[Pin] = ()) -> None:
        self.rows = 0
        self._place = place
        self._head = head
        self._pins = Pins(head, pins)
        self._findings: list[Finding] = []
        self._below = 0
        start = Seen(-1, beginning(*place, head.starts_at, head.unchained).hash)
        self._recent: dict[int, list[Seen]] = {0: [start]}
        self._waiting: dict[int, list[Row]] = {}
        self._twins: dict[int, list[Seen]] = {}
        self._followed: set[Seen] = set()
        self._number = 0
        self._in_order = True
        self._numbers = array("q")
        self._offsets = array("q")
        self._suspects: list[Suspect] = []
        self._overwritten: set[int] = set()

    def see(self, row: Row) -> None:
        """The next row."""
        number, digest = row.number, row.hash
        self.rows += 1
        if row.offset < self._head.starts_at:
            self._below += 1
            if number is not None:
                self._note(row, INSERTED, f"it lies before the chain, which begins at offset {self._head.starts_at}")
            return
        if number is None or digest is None:
            self._note(row, INSERTED, "it is in no chain")
            return
        seen = Seen(row.offset, digest)
        self._numbers.append(number)
        self._offsets.append(row.offset)
        self._in_order = self._in_order and number == self._number + 1
        self._number = number
        self._follow(row, number, digest)
        if number in self._recent:
            self._recent[number].append(seen)
            self._twins[number] = self._recent[number]
        else:
            self._recent[number] = [seen]
            self._recent.pop(number - RECENT, None)
        for waiting in self._waiting.pop(number, ()):
            self._follow(waiting, number + 1, waiting.hash or b"")
        self._pins.see(number, seen)

    def end(self) -> list[Finding]:
        """All that is wrong: what is about the whole partition first, then row by row."""
        misplaced, removed = self._misplaced()
        suspects = [suspect for suspect in self._suspects if suspect.row.offset not in misplaced]
        for suspect in suspects:
            self._note(suspect.row, *self._explain(suspect))
        for offset, (kind, what) in misplaced.items():
            self._findings.append(Finding(*self._place, offset, None, None, kind, what))
        about_all = [*self._wrong_start(), *removed, *self._pins.wrong()]
        if not (suspects or misplaced or removed):
            about_all += self._wrong_head()
        self._findings += [Finding(*self._place, None, None, None, kind, what) for kind, what in about_all]
        return sorted(self._findings, key=lambda finding: -1 if finding.offset is None else finding.offset)

    def _follow(self, row: Row, number: int, digest: bytes) -> None:
        """Compare the row's hash with what follows from the row before it, as far as that one is known."""
        candidates = self._recent.get(number - 1, ())
        if not candidates and len(self._waiting) < MOST_SUSPECTS:
            self._waiting.setdefault(number - 1, []).append(row)
        for seen in candidates:
            if link(seen.hash, number, row.content) == digest:
                if len(candidates) > 1:
                    self._followed.add(seen)
                return
        last = self._suspects[-1] if self._suspects else None
        if last and last.row.number == number - 1 and link(last.computed, number, row.content) == digest:
            self._overwritten.add(last.row.offset)
        elif candidates and len(self._suspects) < MOST_SUSPECTS:
            before = candidates[-1].hash
            self._suspects.append(Suspect(row, before, link(before, number, row.content)))
        elif candidates:
            self._note(row, CHANGED, UNFOLLOWED)

    def _misplaced(self) -> tuple[dict[int, Why], list[Why]]:
        """The rows that are not where their numbers belong, by offset, and what is missing."""
        length, numbers, offsets = self._head.length, self._numbers, self._offsets
        if self._in_order and self._number == length:
            return {}, []
        found = self._intruders()
        suspects = {suspect.row.offset: suspect.row.number or 0 for suspect in self._suspects}
        places = [place for place, offset in enumerate(offsets) if offset not in found and offset not in suspects]
        astray = out_of_order([numbers[place] for place in places])
        kept = [place for index, place in enumerate(places) if index not in astray]
        rising = [numbers[place] for place in kept]
        known = set(rising)
        lost = {offsets[places[index]]: numbers[places[index]] for index in astray}
        for offset, number in (lost | suspects).items():
            if number in known:
                found.setdefault(offset, (INSERTED, f"another row is row {number} of the chain"))
            elif offset in lost:
                found[offset] = MOVED, f"it is row {number} of the chain, and lies elsewhere"
        removed = []
        for index, first, last in gaps(rising, length, {*lost.values(), *suspects.values()} - known):
            after = f"behind offset {offsets[kept[index - 1]]}" if index else "at the beginning"
            upto = f"before offset {offsets[kept[index]]}" if index < len(kept) else "at the end"
            which = f"row {first} of the chain is" if first == last else f"rows {first} to {last} of the chain are"
            removed.append((REMOVED, f"{which} missing, {after}, {upto}"))
        return found, removed

    def _intruders(self) -> dict[int, Why]:
        """The rows whose number the chain does not have, or another row has from which the next one follows."""
        length, found = self._head.length, dict[int, Why]()
        for offset, number in zip(self._offsets, self._numbers, strict=True):
            if not 0 < number <= length:
                found[offset] = INSERTED, f"it says it is row {number} of the chain, whose head says it has {length}"
        for number, twins in self._twins.items():
            true = [seen for seen in twins if seen in self._followed or seen.hash == self._head.hash] or twins
            for seen in twins:
                if seen != true[0]:
                    found.setdefault(seen.offset, (INSERTED, f"another row is row {number} of the chain"))
        return found

    def _explain(self, suspect: Suspect) -> Why:
        """Whether a row whose hash does not follow has changed places with another, or else its content."""
        row, number = suspect.row, suspect.row.number or 0
        if row.offset in self._overwritten:
            return CHANGED, "its hash is not that of its content, from which the next row follows"
        for other in self._suspects[:MOST_COMPARED]:
            there = other.row.offset
            if link(suspect.before, number, (*row.content[:2], there, *row.content[3:])) == row.hash:
                return MOVED, f"it is row {number} of the chain, and was at offset {there}"
            if link(suspect.before, number, (*other.row.content[:2], row.offset, *other.row.content[3:])) == row.hash:
                return MOVED, f"what was in it lies at offset {there}"
        return CHANGED, UNFOLLOWED

    def _wrong_start(self) -> Iterator[Why]:
        head = self._head
        if self._below != head.unchained:
            kind = INSERTED if self._below > head.unchained else REMOVED
            yield kind, f"{self._below} rows lie before the chain, where {head.unchained} lay when it began"

    def _wrong_head(self) -> Iterator[Why]:
        head = self._head
        last = self._recent.get(head.length, [])
        if head.length and Seen(head.offset, head.hash) not in last:
            yield CHANGED, f"the chain's head says that its last row, at offset {head.offset}, has another hash"

    def _note(self, row: Row, kind: str, what: str) -> None:
        self._findings.append(Finding(*self._place, row.offset, row.aggregate_id, row.version, kind, what))
