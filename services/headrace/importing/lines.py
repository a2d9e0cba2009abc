"""A file as numbered lines of text, however broken some of them are."""

from collections.abc import Iterator
from typing import BinaryIO

from headrace.importing.imported import Reported

LONGEST_LINE = 4_000_000  # bytes; no command of this size would fit into a record
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def text_lines(file: str, stream: BinaryIO) -> Iterator[tuple[int, str] | Reported]:
    """Each line that is not blank, with its number from 1 and without its end; a report for each that is not text.

    A line is read on its own, so that a quote or bracket left open in one takes no other line with it.
    """
    number = 0
    while raw := stream.readline(LONGEST_LINE + 1):
        number += 1
        if number == 1:
            raw = raw.removeprefix(BYTE_ORDER_MARK)
        if len(raw) > LONGEST_LINE:
            _skip_line(raw, stream)
            yield Reported(file, number, f"longer than {LONGEST_LINE} bytes")
            continue
        try:
            text = raw.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            yield Reported(file, number, "not UTF-8", f"byte {raw[error.start]:#04x} at {error.start + 1}")
            continue
        if text.strip():
            yield number, text


def _skip_line(raw: bytes, stream: BinaryIO) -> None:
    while raw and not raw.endswith(b"\n"):
        raw = stream.readline(LONGEST_LINE)
