"""A second pair of eyes during faults: what can be seen of a domain from outside, several times a second.

    with Observer(kafka, database, "orders") as observer:
        ...  # faults, under load; then heal, and wait until all is quiet
    seen = observer.report()
    assert not seen.problems
    print(seen.longest("handler"), seen.longest("journal"))

It samples the handlers' committed offsets, where the topics end and the projectors' checkpoints, and tails all four
topics of the domain as a reader of committed records. That brokers or the database are down is what it is made for:
it goes on trying, and tells for how long it was blind. `report` reads the topics once more, so it needs them up.

Reading order: `observer`, `progress`, `positions`, `visible`.
"""

from headrace_load.observe.observer import Observed, Observer
from headrace_load.observe.progress import Standstill

__all__ = ["Observed", "Observer", "Standstill"]
