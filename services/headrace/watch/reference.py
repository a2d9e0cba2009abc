"""All of Headrace's metrics, as the reference lists them."""

from headrace.observe.metrics import FAMILIES, Family
from headrace.observe.states import GAUGES
from headrace.watch.families import FAMILIES as SEEN


def reference() -> list[Family]:
    """The metrics of services and those of `headrace watch`, by name."""
    states = (Family(name, "gauge", labels, text) for name, (text, labels) in GAUGES.items())
    return sorted([*FAMILIES, *states, *SEEN])
