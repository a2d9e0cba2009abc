"""The application: what `--app` names. Other domains, views and reactors are listed here, too."""

from headrace.kernel.app import App
from headrace.scaffold.things.decider import things
from headrace.scaffold.things.views import things_view

app = App(aggregates=(things,), views=(things_view,))
