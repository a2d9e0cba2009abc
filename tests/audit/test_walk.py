"""Any forgery in a partition's rows is found by a walk along its chain, and simple ones by their names."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.audit.chain import Content, Head, beginning, link
from headrace.audit.findings import Finding, Pin, Row
from headrace.audit.order import gaps, out_of_order
from headrace.audit.walk import Walk

PLACE = ("bells.events", 3)
RECORDS = st.lists(st.binary(max_size=8), min_size=1, max_size=20)


def content(offset: int, record: bytes) -> Content:
    return (*PLACE, offset, 1_700_000_000_000_000, f"bell-{offset % 5}", 1 + offset // 5, "Struck", record)


def chained(contents: Sequence[Content], start: Head | None = None) -> tuple[list[Row], Head]:
    """The rows, chained one after the other, and the head."""
    start = start or beginning(*PLACE)
    rows, before = [], start.hash
    for number, it in enumerate(contents, 1):
        before = link(before, number, it)
        rows.append(Row(it[2], it[4], it[5], number, before, it))
    head = Head(start.starts_at, start.unchained, len(rows), rows[-1].offset, before) if rows else start
    return rows, head


def history(count: int) -> tuple[list[Row], Head]:
    """So many rows at even offsets: a transaction's marker lies behind each."""
    return chained([content(2 * number + 1, b"%d" % number) for number in range(count)])


def walked(rows: Sequence[Row], head: Head, pins: Sequence[Pin] = ()) -> list[Finding]:
    walk = Walk(PLACE, head, pins)
    for row in sorted(rows, key=lambda row: row.offset):
        walk.see(row)
    return walk.end()


def named(findings: Sequence[Finding]) -> list[tuple[str, int | None]]:
    return [(finding.kind, finding.offset) for finding in findings]


def forged(row: Row, record: bytes = b"a million") -> Row:
    return row._replace(content=(*row.content[:-1], record))


def at(row: Row, offset: int) -> Row:
    return row._replace(offset=offset, content=(*row.content[:2], offset, *row.content[3:]))


@given(RECORDS, st.lists(st.integers(0, 40), unique=True))
def test_rows_that_nobody_touched_are_fine(records: list[bytes], pins: list[int]) -> None:
    rows, head = chained([content(3 * number, record) for number, record in enumerate(records)])
    heads = [Head(0, 0, row.number or 0, row.offset, row.hash or b"") for row in rows if row.number in pins]
    assert walked(rows, head, [Pin(it, "a checkpoint") for it in heads]) == []


def test_a_partition_without_rows_is_fine() -> None:
    assert walked([], beginning(*PLACE)) == []


def test_the_same_rows_have_the_same_hashes_and_a_chain_of_another_partition_others() -> None:
    assert history(4) == history(4)
    assert beginning("bells.events", 2) != beginning(*PLACE)
    assert beginning(*PLACE, 7, 3) != beginning(*PLACE)


@given(st.data())
def test_any_change_of_a_row_is_found_and_named(data: st.DataObject) -> None:
    rows, head = history(data.draw(st.integers(1, 12)))
    place = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.integers(3, 7))
    old = rows[place].content[column]
    kind = {bytes: st.binary(), int: st.integers(-(2**63), 2**63 - 1), str: st.text()}[type(old)]
    new = data.draw(kind.filter(lambda it: it != old))
    rows[place] = rows[place]._replace(content=(*rows[place].content[:column], new, *rows[place].content[column + 1 :]))
    assert named(walked(rows, head)) == [("changed", rows[place].offset)]


@given(st.integers(1, 9), st.data())
def test_a_hash_that_was_changed_is_named_and_the_next_row_is_not(count: int, data: st.DataObject) -> None:
    rows, head = history(count)
    place = data.draw(st.integers(0, count - 1))
    rows[place] = rows[place]._replace(hash=bytes(32))
    assert named(walked(rows, head)) == [("changed", rows[place].offset)]


@given(st.integers(1, 12), st.data())
def test_rows_that_were_removed_are_missed_between_their_neighbours(count: int, data: st.DataObject) -> None:
    rows, head = history(count)
    first = data.draw(st.integers(0, count - 1))
    last = data.draw(st.integers(first, count - 1))
    [finding] = walked(rows[:first] + rows[last + 1 :], head)
    numbers = (
        f"row {first + 1} of the chain is" if first == last else f"rows {first + 1} to {last + 1} of the chain are"
    )
    before = f"behind offset {2 * first - 1}" if first else "at the beginning"
    after = f"before offset {2 * last + 3}" if last + 1 < count else "at the end"
    assert (finding.kind, finding.what) == ("removed", f"{numbers} missing, {before}, {after}")


@given(st.integers(2, 12), st.data())
def test_rows_that_have_changed_places_are_both_named(count: int, data: st.DataObject) -> None:
    rows, head = history(count)
    one = data.draw(st.integers(0, count - 2))
    two = data.draw(st.integers(one + 1, count - 1))
    offsets = rows[one].offset, rows[two].offset
    rows[one], rows[two] = at(rows[two], offsets[0]), at(rows[one], offsets[1])
    assert named(walked(rows, head)) == [("moved", offset) for offset in offsets]


@given(st.integers(2, 12), st.data())
def test_rows_whose_contents_have_changed_places_are_both_named(count: int, data: st.DataObject) -> None:
    rows, head = history(count)
    one = data.draw(st.integers(0, count - 2))
    two = data.draw(st.integers(one + 1, count - 1))
    first, second = rows[one], rows[two]
    rows[one] = first._replace(content=at(second, first.offset).content)
    rows[two] = second._replace(content=at(first, second.offset).content)
    assert named(walked(rows, head)) == [("moved", first.offset), ("moved", second.offset)]


@given(st.integers(1, 12), st.data())
def test_a_row_that_was_inserted_is_named(count: int, data: st.DataObject) -> None:
    """With the number of the row before or behind it, and a hash that follows; or outside of the chain."""
    rows, head = history(count)
    place = data.draw(st.integers(0, count - 1))
    extra = content(2 * place + 2, b"forged")
    number = data.draw(st.sampled_from([place + 1, place + 2, count + 1, None]))
    before = rows[(number or 1) - 2].hash or b"" if (number or 0) > 1 else beginning(*PLACE).hash
    row = Row(extra[2], extra[4], extra[5], number, link(before, number or 0, extra) if number else None, extra)
    assert ("inserted", row.offset) in named(walked([*rows, row], head))


@given(st.integers(1, 10), st.data())
def test_nothing_that_is_done_to_rows_goes_unnoticed(count: int, data: st.DataObject) -> None:
    """Whatever is done to whichever columns, one edit after the other."""
    rows, head = history(count)
    forgery = list(rows)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(forgery) - 1)) if forgery else 0
        match (
            data.draw(st.sampled_from(["forge", "remove", "repeat", "renumber", "rehash", "move"])) if forgery else ""
        ):
            case "forge":
                forgery[place] = forged(forgery[place], data.draw(st.binary(max_size=2)))
            case "remove":
                del forgery[place]
            case "repeat":
                forgery.append(at(forgery[place], 1000 + len(forgery)))
            case "renumber":
                forgery[place] = forgery[place]._replace(number=data.draw(st.none() | st.integers(-(2**63), 2**63 - 1)))
            case "rehash":
                row = forgery[place]
                before = forgery[place - 1].hash if place else beginning(*PLACE).hash
                forgery[place] = row._replace(hash=link(before or b"", min(row.number or 0, 2**62), row.content))
            case "move":
                forgery[place] = at(forgery[place], 2 * data.draw(st.integers(0, count + 1)))
    forgery.sort(key=lambda row: row.offset)
    assert bool(walked(forgery, head)) == (forgery != rows)


@given(st.integers(0, 8), st.integers(1, 8), st.data())
def test_history_that_was_rewritten_with_all_hashes_is_told_by_what_was_signed(
    before: int, after: int, data: st.DataObject
) -> None:
    rows, head = history(before + after)
    pins = [
        Pin(Head(0, 0, row.number or 0, row.offset, row.hash or b""), f"checkpoint {row.number}")
        for row in (rows[before - 1], rows[-1])
        if row.number in (before, before + after)
    ]
    contents = [row.content for row in rows]
    place = data.draw(st.integers(before, before + after - 1))
    match data.draw(st.sampled_from(["change", "remove", "insert", "swap"])):
        case "change":
            contents[place] = (*contents[place][:-1], b"forged")
        case "remove":
            del contents[place]
        case "insert":
            contents.insert(place, content(2 * place, b"forged"))
        case "swap":
            contents[place] = (*contents[place][:4], "bell-x", *contents[place][5:])
    forgery, its_head = chained(contents)
    assert walked(forgery, its_head) == []
    [finding] = walked(forgery, its_head, pins)
    assert finding.kind == "rewritten"
    assert f"up to offset {head.offset} it is not what checkpoint {before + after} signed" in finding.what
    assert f"rows {before + 1} to {before + after} of the chain" in finding.what


def test_a_chain_that_begins_behind_older_rows_says_how_many_there_were() -> None:
    older = [Row(number, "b", 1, None, None, content(number, b"")) for number in range(3)]
    rows, head = chained([content(10, b"a"), content(11, b"b")], beginning(*PLACE, 10, 3))
    assert walked([*older, *rows], head) == []
    [finding] = walked([*older[1:], *rows], head)
    assert (finding.kind, finding.what) == ("removed", "2 rows lie before the chain, where 3 lay when it began")
    [finding] = walked([*older, Row(3, "b", 1, None, None, content(3, b"")), *rows], head)
    assert (finding.kind, finding.what) == ("inserted", "4 rows lie before the chain, where 3 lay when it began")


def test_a_head_that_was_changed_is_told() -> None:
    rows, head = history(3)
    other = Head(0, 0, 3, head.offset, bytes(32))
    [finding] = walked(rows, other)
    assert (finding.kind, finding.offset) == ("changed", None)
    shorter = Head(0, 0, 2, rows[1].offset, rows[1].hash or b"")
    assert named(walked(rows, shorter)) == [("inserted", rows[2].offset)]


def test_a_chain_that_begins_elsewhere_than_was_signed_is_told() -> None:
    rows, head = history(3)
    [finding] = walked(rows, head, [Pin(beginning(*PLACE, 5, 2), "the file x")])
    assert finding.what == "the file x says that the chain begins at offset 5, not so here"


@given(st.lists(st.integers(1, 12), unique=True))
def test_the_fewest_are_out_of_order(numbers: list[int]) -> None:
    astray = out_of_order(numbers)
    kept = [number for place, number in enumerate(numbers) if place not in astray]
    assert kept == sorted(kept)
    longest: list[int] = []
    for place, number in enumerate(numbers):
        longest.append(1 + max((longest[it] for it in range(place) if numbers[it] < number), default=0))
    assert len(kept) == max(longest, default=0)


@pytest.mark.parametrize(
    ("rising", "last", "elsewhere", "runs"),
    [
        ([1, 2, 3], 3, (), []),
        ([], 3, (), [(0, 1, 3)]),
        ([2, 5], 7, (), [(0, 1, 1), (1, 3, 4), (2, 6, 7)]),
        ([1, 6], 6, (3, 4), [(1, 2, 2), (1, 5, 5)]),
    ],
)
def test_what_is_missing_comes_in_runs(
    rising: list[int], last: int, elsewhere: tuple[int, ...], runs: list[tuple[int, int, int]]
) -> None:
    assert list(gaps(rising, last, elsewhere)) == runs
