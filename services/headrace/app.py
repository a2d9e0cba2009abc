"""The applications that ship: `shop`, `bank`, and `app`, both together: what Headrace runs unless `--app` says else."""

import os
from typing import Final

import msgspec

from headrace.accounts.decider import accounts_with
from headrace.accounts.limits import Limits
from headrace.accounts.statements import statements
from headrace.accounts.views import accounts_view
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured
from headrace.orders.decider import orders
from headrace.orders.statistics import order_statistics
from headrace.orders.views import orders_view
from headrace.transfers.decider import transfers_with
from headrace.transfers.process import transfer_process
from headrace.transfers.views import transfers_view
from headrace.transfers.volumes import transfer_volumes

LIMITS: Final = "HEADRACE_TRANSFER_LIMITS"


def limits_from(said: str) -> Limits:
    """The limits of transfers in a JSON object, those that it does not name as they are; `Misconfigured` if wrong."""
    try:
        return msgspec.json.decode(said or "{}", type=Limits)
    except msgspec.MsgspecError as error:
        known = ", ".join(Limits.__struct_fields__)
        raise Misconfigured(f"{LIMITS}={said!r}: {error}; it is a JSON object with any of: {known}") from error


limits = limits_from(os.environ.get(LIMITS, ""))

shop = App(aggregates=(orders,), views=(orders_view, order_statistics))
bank = App(
    aggregates=(accounts_with(limits), transfers_with(limits)),
    views=(accounts_view, statements, transfers_view, transfer_volumes),
    reactors=(transfer_process,),
)
app = App(
    aggregates=(*shop.aggregates, *bank.aggregates),
    views=(*shop.views, *bank.views),
    reactors=(*shop.reactors, *bank.reactors),
)
