"""Headrace: event sourcing on Apache Kafka and PostgreSQL, exactly once.

To read the code, start with `kernel/aggregate.py` (two pure functions), then `orders/decider.py` (the rules of a real
domain), `handler/partition.py` (one command in, its records out), `handler/loop.py` (the transaction around them),
`projector/loop.py` (events in, rows out) and `app.py` (what is put together).
"""

__version__ = "0.1.0"
