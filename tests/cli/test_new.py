"""Names of a new domain with which its text would not work: one line, and nothing is written."""

from pathlib import Path

import pytest

from headrace.kernel.errors import Misconfigured
from headrace.scaffold.domain import singular_of, write_domain

SQL, PYTHON, TAKEN = (
    "is a word of SQL's own",
    "is a word of Python's own",
    "means something else in what would be written",
)


@pytest.mark.parametrize("name", ["events", "commands", "aggregates", "facts", "keys", "rows", "rejecteds", "replaces"])
def test_words_that_the_text_itself_uses_are_refused(tmp_path: Path, name: str) -> None:
    refuse(tmp_path, name, singular_of(name), TAKEN)


@pytest.mark.parametrize(
    ("name", "singular", "said"),
    [
        ("ats", "at", TAKEN),
        ("tests", "test", TAKEN),
        ("pieces", "struct", TAKEN),
        ("flags", "true", PYTHON),
        ("flags", "none", PYTHON),
        ("classes", "class", PYTHON),
        ("user", "one_user", SQL),
        ("order", "one_order", SQL),
        ("pg_stats", "pg_stat", SQL),
        ("journal", "entry", "is a projector of Headrace's own"),
        ("audit", "audit_entry", "is a projector of Headrace's own"),
    ],
)
def test_words_of_languages_and_of_headrace_are_refused(tmp_path: Path, name: str, singular: str, said: str) -> None:
    refuse(tmp_path, name, singular, said)


@pytest.mark.parametrize("name", ["users", "invoices", "tickets", "statuses", "gift_cards"])
def test_other_names_are_taken(tmp_path: Path, name: str) -> None:
    for path in write_domain(name, singular_of(name), tmp_path):
        if path.suffix == ".py":
            compile(path.read_text(), path, "exec")


def refuse(folder: Path, name: str, singular: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said) as refused:
        write_domain(name, singular, folder)
    assert "\n" not in str(refused.value)
    assert list(folder.iterdir()) == []
