"""The applications that ship: `app` is what Headrace runs unless `--app` names another; `shop` is a part of it."""

from headrace.kernel.app import App
from headrace.orders.decider import orders
from headrace.orders.statistics import order_statistics
from headrace.orders.views import orders_view

shop = App(aggregates=(orders,), views=(orders_view, order_statistics))

app = shop
