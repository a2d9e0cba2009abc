"""An application lists its parts; nothing registers itself."""

from typing import Any, TypeVar

from msgspec import Struct

from headrace.kernel.aggregate import Aggregate
from headrace.kernel.errors import Misconfigured
from headrace.kernel.reactor import Reactor
from headrace.kernel.view import View

JOURNAL = "journal"
AUDIT = "audit"
BUILT_IN = (JOURNAL, AUDIT)

PartT = TypeVar("PartT", Aggregate[Any, Any, Any], View[Any], Reactor)


class App(Struct, frozen=True, kw_only=True):
    """The aggregates, views and reactors that make one application."""

    aggregates: tuple[Aggregate[Any, Any, Any], ...]
    views: tuple[View[Any], ...] = ()
    reactors: tuple[Reactor, ...] = ()

    def __post_init__(self) -> None:
        """Refuse two parts of one name, and a view or a reactor of something that is not there."""
        names = [aggregate.name for aggregate in self.aggregates]
        views = [view.name for view in self.views]
        for listed in (names, views, [reactor.name for reactor in self.reactors]):
            twice = sorted({name for name in listed if listed.count(name) > 1})
            if twice:
                raise Misconfigured(f"the app lists {', '.join(twice)} twice")
        for name in set(views) & set(BUILT_IN):
            raise Misconfigured(f"{name!r} is the name of a built-in projector: call the view something else")
        for view in self.views:
            for source in view.sources:
                if source not in names:
                    raise Misconfigured(f"view {view.name!r} reads {source!r}, which is not an aggregate of the app")
        for reactor in self.reactors:
            for what, others in (("reads", (*reactor.events, *reactor.answers)), ("sends to", reactor.sends or ())):
                if unknown := sorted(set(others) - set(names)):
                    raise Misconfigured(
                        f"reactor {reactor.name!r} {what} {unknown[0]!r}, which is no aggregate of the app"
                    )

    def aggregate(self, name: str) -> Aggregate[Any, Any, Any]:
        """The aggregate of that name."""
        return _named(name, self.aggregates, "aggregate")

    def aggregate_of(self, command: Struct) -> Aggregate[Any, Any, Any]:
        """The aggregate that takes such a command."""
        for aggregate in self.aggregates:
            if type(command) in aggregate.command_types:
                return aggregate
        raise Misconfigured(f"{type(command).__name__} is no command of any aggregate of the app")

    def senders_to(self, aggregate: str) -> list[str]:
        """The reactors that may send commands to an aggregate: in transactions, as nobody else does."""
        return [reactor.name for reactor in self.reactors if aggregate in reactor.targets(self.aggregates)]

    def view(self, name: str) -> View[Any]:
        """The view of that name."""
        return _named(name, self.views, "view")

    def reactor(self, name: str) -> Reactor:
        """The reactor of that name."""
        return _named(name, self.reactors, "reactor")


def _named(name: str, parts: tuple[PartT, ...], kind: str) -> PartT:
    for part in parts:
        if part.name == name:
            return part
    known = ", ".join(part.name for part in parts) or "none"
    raise Misconfigured(f"no {kind} is called {name!r}; the app has: {known}")
