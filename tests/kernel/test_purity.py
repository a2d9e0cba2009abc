"""The kernel and the domains touch nothing: no clock, no chance, no file, no network; the imports prove it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import headrace
from headrace.app import app

PACKAGE = Path(headrace.__file__).parent
DOMAINS = [aggregate.name for aggregate in app.aggregates]
# A process connects domains: it knows their messages.
CONNECTED = {"transfers": ("headrace.accounts",)}
# The part of the standard library that computes. What can read, wait, guess or start something is not in it.
COMPUTES = {
    "abc", "collections", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "itertools", "math",
    "operator", "re", "string", "types", "typing", "msgspec",
}  # fmt: skip
CLOCK = {"now", "utcnow", "today"}
EFFECTS = {"open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint"}


def impurities(source: str, own: tuple[str, ...]) -> Iterator[str]:
    """What a module uses that it should not; `own` are the packages of headrace that it may import from."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if not allowed(name.name, own))
            case ast.ImportFrom(module=module, names=names, level=level):
                paths = [module or ""] if module != "headrace" else [f"headrace.{name.name}" for name in names]
                yield from ("." * level + path for path in paths if level or not allowed(path, own))
            case ast.Attribute(attr=name) if name in CLOCK:
                yield f".{name}"
            case ast.Name(id=name) if name in EFFECTS:
                yield name


def allowed(module: str, own: tuple[str, ...]) -> bool:
    return module.partition(".")[0] in COMPUTES or any(module == name or module.startswith(f"{name}.") for name in own)


def pure_modules() -> Iterator[tuple[Path, tuple[str, ...]]]:
    for path in sorted((PACKAGE / "kernel").rglob("*.py")):
        yield path, ("headrace.kernel",)
    for domain in DOMAINS:
        for path in sorted((PACKAGE / domain).rglob("*.py")):
            yield path, ("headrace.kernel", f"headrace.{domain}", *CONNECTED.get(domain, ()))


MODULES = list(pure_modules())


@pytest.mark.parametrize(("path", "own"), MODULES, ids=[str(path.relative_to(PACKAGE)) for path, _ in MODULES])
def test_a_pure_module_imports_only_what_computes(path: Path, own: tuple[str, ...]) -> None:
    assert list(impurities(path.read_text(encoding="utf-8"), own)) == []


def test_the_kernel_and_every_domain_are_walked() -> None:
    walked = {path.parent.name for path, _ in MODULES}
    assert walked == {"kernel", *DOMAINS}
    assert "orders" in walked


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import time", "time"),
        ("import os.path as p", "os.path"),
        ("from random import random", "random"),
        ("def f():\n    import socket", "socket"),
        ("from headrace.kafka import clients", "headrace.kafka"),
        ("from headrace import kafka", "headrace.kafka"),
        ("import headrace", "headrace"),
        ("from headrace.ordersextra import x", "headrace.ordersextra"),
        ("from . import events", "."),
        ("from datetime import datetime\ndatetime.now()", ".now"),
        ("from datetime import date\nf = date.today", ".today"),
        ("open('x')", "open"),
        ("from confluent_kafka import Consumer", "confluent_kafka"),
    ],
)
def test_what_is_not_pure_is_found(source: str, found: str) -> None:
    assert list(impurities(source, ("headrace.kernel", "headrace.orders"))) == [found]


def test_the_kernel_knows_no_domain() -> None:
    assert list(impurities("from headrace.orders.events import Line", ("headrace.kernel",))) == [
        "headrace.orders.events"
    ]
