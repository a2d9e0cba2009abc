"""The application that ships: what Headrace runs unless `--app` names another."""

from headrace.kernel.app import App
from headrace.orders.decider import orders
from headrace.orders.statistics import order_statistics
from headrace.orders.views import orders_view

app = App(aggregates=(orders,), views=(orders_view, order_statistics))
