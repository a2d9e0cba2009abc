"""Headrace that never takes a new client after a broken connection: what rule 11 is for can be seen without it."""

from headrace.cli import main
from headrace.kafka.producer import Connections

Connections.log = lambda *_line: None  # type: ignore[method-assign]

main()
