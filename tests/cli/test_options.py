"""What others have written, as commands show it to people: on one line, and nothing that a terminal obeys."""

import pytest

from headrace.cli.options import plain, print_table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\nforged line", r"\x1b[31mred\nforged line"),
        ("\x9b2J\x7f", r"\x9b2J\x7f"),
        ("abc\u202ecba\u2028", r"abc\u202ecba\u2028"),
        ("half \ud800", r"half \ud800"),
        (
            "Zoë, 東京　タワー, क\u200dष, 👩\u200d🚀, 1\xa0€",
            "Zoë, 東京　タワー, क\u200dष, 👩\u200d🚀, 1\xa0€",
        ),
        (r"C:\new", r"C:\new"),
    ],
    ids=["escape and newline", "C1 and DEL", "direction and line separator", "surrogate", "ordinary", "backslash"],
)
def test_what_a_terminal_would_obey_is_escaped_and_the_rest_is_as_it_was(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_table_has_a_line_a_row_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("who", "what"), [["ann\neve  PayOrder", "\x1b[2J\x9b2J"], ["bob", 3]])
    header, forged, other = capsys.readouterr().out.splitlines()
    assert header.split() == ["who", "what"]
    assert forged.split() == [r"ann\neve", "PayOrder", r"\x1b[2J\x9b2J"]
    assert other.split() == ["bob", "3"]
