"""Files are read line by line, whatever is in them."""

from io import BytesIO

from headrace.importing import lines
from headrace.importing.imported import Reported
from headrace.importing.lines import LONGEST_LINE, text_lines


def read(content: bytes) -> list[tuple[int, str] | Reported]:
    return list(text_lines("f", BytesIO(content)))


def test_lines_are_numbered_from_one_and_blank_ones_passed_over() -> None:
    assert read(b"a\n\n  \nb\r\nc") == [(1, "a"), (4, "b"), (5, "c")]


def test_a_byte_order_mark_is_no_text() -> None:
    assert read(b"\xef\xbb\xbfa\n\xef\xbb\xbfb") == [(1, "a"), (2, "\ufeffb")]


def test_a_line_that_is_not_utf8_is_reported_and_the_next_one_read() -> None:
    assert read(b"a\nna\xefve\nb") == [(1, "a"), Reported("f", 2, "not UTF-8", "byte 0xef at 3"), (3, "b")]


def test_a_line_without_end_is_reported_without_being_held() -> None:
    long = b"x" * (3 * LONGEST_LINE)
    assert read(b"a\n" + long + b"\nb") == [
        (1, "a"),
        Reported("f", 2, f"longer than {lines.LONGEST_LINE} bytes"),
        (3, "b"),
    ]
    assert read(long) == [Reported("f", 1, "longer than 4000000 bytes")]


def test_the_longest_line_is_read() -> None:
    longest = b"x" * (LONGEST_LINE - 1) + b"\n"
    assert read(longest + b"b") == [(1, "x" * (LONGEST_LINE - 1)), (2, "b")]


def test_an_empty_file_has_no_lines() -> None:
    assert read(b"") == []


def test_a_report_reads_as_compilers_write() -> None:
    assert (
        str(Reported("orders.jsonl", 7, "bad JSON", "a\nb")) == "orders.jsonl:7: bad JSON: a\N{REPLACEMENT CHARACTER}b"
    )
    assert str(Reported("orders.csv", 7, "no stock code")) == "orders.csv:7: no stock code"


def test_a_report_of_something_endless_is_short() -> None:
    assert len(str(Reported("f", 1, "bad JSON", "x" * 1_000_000))) < 300
