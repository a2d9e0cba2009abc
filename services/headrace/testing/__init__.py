"""For tests of rules, views and processes, without servers.

assert given(orders, created, paid).when(ShipOrder("Post", "T1")) == [OrderShipped("Post", "T1")]
assert fold(orders_view, facts(orders, "o-1", created, paid))["o-1",].status == "paid"
hold = Send("accounts", "ann", PlaceHold("t-1", "bob", 500, "GBP"))
assert hold in reactions(transfer_process, facts(transfers, "t-1", requested))

And an app's aggregates and reactors together, in memory: `World`.
"""

from headrace.testing.histories import History, facts, fold, given, reactions
from headrace.testing.sent import Sent
from headrace.testing.world import World

__all__ = ["History", "Sent", "World", "facts", "fold", "given", "reactions"]
