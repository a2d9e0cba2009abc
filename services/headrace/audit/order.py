"""Which rows lie out of order and which are missing, of those that say which number they have. Pure."""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence


def out_of_order(numbers: Sequence[int]) -> set[int]:
    """The places of the fewest numbers without which the others rise."""
    tails: list[int] = []  # the least number that a rising series of each length can end with
    ends: list[int] = []  # where that number is
    behind = array("q", bytes(8 * len(numbers)))  # the place before each in its series
    for place, number in enumerate(numbers):
        length = bisect_left(tails, number)
        if length == len(tails):
            tails.append(number)
            ends.append(place)
        else:
            tails[length], ends[length] = number, place
        behind[place] = ends[length - 1] if length else -1
    kept, place = set(), ends[-1] if ends else -1
    while place >= 0:
        kept.add(place)
        place = behind[place]
    return {place for place in range(len(numbers)) if place not in kept}


def gaps(rising: Sequence[int], last: int, elsewhere: Collection[int] = ()) -> Iterator[tuple[int, int, int]]:
    """The runs that are missing from 1 to `last`, but for those `elsewhere`: place in `rising`, first, last."""
    stops = sorted(elsewhere)
    before = 0
    for place, number in enumerate([*rising, last + 1]):
        if number > before + 1:
            inside = stops[bisect_left(stops, before + 1) : bisect_left(stops, number)]
            for begin, end in zip([before, *inside], [*inside, number], strict=True):
                if end > begin + 1:
                    yield place, begin + 1, end - 1
        before = number
