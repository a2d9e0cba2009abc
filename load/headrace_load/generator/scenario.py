"""A scenario: what load a run puts on the system, and what must hold afterwards; a TOML file, read strictly."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from headrace.kernel.errors import Misconfigured
from headrace_load.generator import thresholds
from headrace_load.generator.arrivals import Arrivals, scaled

SHIPPED: Final = Path(__file__).parents[1] / "scenarios"

Weight: TypeAlias = Annotated[float, Meta(ge=0, le=1_000_000)]
Keys: TypeAlias = Annotated[int, Meta(ge=1, le=5_000_000)]


class Mix(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often each kind of record is sent, as weights beside each other."""

    lifecycle: Weight = 0
    """The next step in an order's life: created, paid, shipped, delivered; one in ten is cancelled once it is paid."""
    refused: Weight = 0
    """A command that the order's rules refuse where it stands."""
    resend: Weight = 0
    """The same record again, one to five times."""
    reused_id: Weight = 0
    """A command's id again, with another body."""
    conflict: Weight = 0
    """A step on the condition of a version that the order does not have."""
    garbage: Weight = 0
    """Bytes that are no command, under an order's key."""

    def __post_init__(self) -> None:
        """Refuse a mix of nothing."""
        if not any(self.weights.values()):
            raise ValueError("at least one weight must be more than 0")
        if not self.lifecycle and (self.resend or self.reused_id):
            raise ValueError("resend and reused_id need lifecycle: what is sent again is one of its commands")

    @property
    def weights(self) -> dict[str, float]:
        """The weights by kind."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


class Uniform(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="distribution", tag="uniform"):
    """All keys alike."""

    count: Keys

    def weights(self) -> list[float]:
        """One each."""
        return [1.0] * self.count


class Zipf(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="distribution", tag="zipf"):
    """The key of rank r is met 1 / r^exponent times as often as the first."""

    count: Keys
    exponent: Annotated[float, Meta(gt=0, le=10)] = 1.1

    def weights(self) -> list[float]:
        """Falling with the rank."""
        return [(rank + 1) ** -self.exponent for rank in range(self.count)]


class Hot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="distribution", tag="hot"):
    """One key gets this share of all commands, the others the rest alike."""

    count: Annotated[int, Meta(ge=2, le=5_000_000)]
    share: Annotated[float, Meta(gt=0, lt=1)]

    def weights(self) -> list[float]:
        """The first against all others."""
        return [self.share, *[(1 - self.share) / (self.count - 1)] * (self.count - 1)]


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One load. `keys.count` orders are in play at a time; where one has ended, its key goes on with the next."""

    description: Annotated[str, Meta(min_length=1, max_length=200)]
    arrivals: Arrivals
    keys: Uniform | Zipf | Hot
    mix: Mix
    thresholds: tuple[str, ...] = ()
    seed: Annotated[int, Meta(ge=0)] = 1
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    """Processes that send."""
    warm_up_s: Annotated[float, Meta(ge=0, le=1_000_000)] = 0
    """What is due earlier is sent and verified, but in no latency: a JVM, say, is compiling itself."""

    def __post_init__(self) -> None:
        """Refuse thresholds that cannot be judged, and workers that would have no key."""
        for text in self.thresholds:
            thresholds.parse(text)
        if self.workers > self.keys.count:
            raise ValueError("each worker needs a key of its own: more keys.count, or fewer workers")


class Overrides(Struct, frozen=True, kw_only=True):
    """What the command line says otherwise; None where it says nothing."""

    rate: float | None = None
    duration_s: float | None = None
    count: int | None = None
    seed: int | None = None
    workers: int | None = None
    warm_up_s: float | None = None
    thresholds: tuple[str, ...] = ()
    """Further ones."""


def find(name: str) -> Path:
    """The file of a shipped scenario's name, or the file that the path names; `Misconfigured` when there is none."""
    shipped = SHIPPED / f"{name}.toml"
    if shipped.parent == SHIPPED and shipped.exists():
        return shipped
    path = Path(name)
    if path.suffix != ".toml" or not path.is_file():
        names = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.toml")))
        raise Misconfigured(f"there is no scenario {name!r}: name a .toml file, or one of {names}")
    return path


def read(path: Path, overrides: Overrides | None = None) -> Scenario:
    """The scenario in a file, changed as `overrides` say; `Misconfigured` names file, place and what is wrong."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{path}: {' '.join(str(error).split())}") from error
    try:
        scenario = msgspec.convert(found, Scenario)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"{path}: {error}") from error
    return changed(scenario, overrides) if overrides else scenario


def changed(scenario: Scenario, overrides: Overrides) -> Scenario:
    """The scenario with the command line's changes, checked as if they stood in its file."""
    if overrides.duration_s is not None and overrides.count is not None:
        raise Misconfigured("--duration and --count: say one of them")
    try:
        arrivals = scaled(scenario.arrivals, overrides.rate, overrides.duration_s, overrides.count)
        built = msgspec.to_builtins(scenario) | {"arrivals": msgspec.to_builtins(arrivals)}
        said = {name: getattr(overrides, name) for name in ("seed", "workers", "warm_up_s")}
        built |= {name: value for name, value in said.items() if value is not None}
        built["thresholds"] = [*scenario.thresholds, *overrides.thresholds]
        return msgspec.convert(built, Scenario)
    except ValueError as error:  # msgspec's own are ValueErrors, too
        raise Misconfigured(f"on the command line: {error}") from error


def shipped() -> Iterator[tuple[str, Scenario]]:
    """The scenarios that come with Headrace, by name."""
    for path in sorted(SHIPPED.glob("*.toml")):
        yield path.stem, read(path)
