"""Lines of Python as they are put together, and the function that they become."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

INDENT = "    "


class Source:
    """The text of one function; values that it needs are passed beside it, never written into it."""

    def __init__(self, about: str, head: str, given: Mapping[str, Any]) -> None:
        # What is not printable could end the comment.
        self._lines = [f"# {about}" if about.isprintable() else "#", head]
        self._depth = 1
        self._given = dict(given)
        self._names = 0

    @property
    def text(self) -> str:
        """The source as it is compiled."""
        return "\n".join(self._lines) + "\n"

    def add(self, *lines: str) -> None:
        """Lines at the present depth."""
        self._lines += [INDENT * self._depth + line for line in lines]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Everything that is added inside stands under `head`."""
        self.add(head)
        self._depth += 1
        yield
        self._depth -= 1

    def local(self, stem: str) -> str:
        """A variable that is nobody else's, called after a field; other names in the source end in no number."""
        self._names += 1
        plain = re.sub(r"_[0-9]+$", "", stem)
        return f"{plain if plain.isidentifier() else 'value'}_{self._names}"

    def constant(self, stem: str, value: Any) -> str:
        """The name by which the function knows the value."""
        for name, known in self._given.items():
            if known is value:
                return name
        name = self.local(stem)
        self._given[name] = value
        return name

    def function(self, name: str) -> Callable[..., Any]:
        """The function of that name which the lines define."""
        given = dict(self._given)
        exec(compile(self.text, f"<generated {name}>", "exec"), given)  # noqa: S102 - checked names, and our own text
        found: Callable[..., Any] = given[name]
        return found
