"""A scenario of a bank: how many accounts and transfers, how fast, and which of them do not simply go through."""

import tomllib
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from headrace.kernel.errors import Misconfigured

SHIPPED: Final = Path(__file__).parents[1] / "scenarios" / "bank"

Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]


class BankScenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One load: shares are of all transfers."""

    description: Annotated[str, Meta(min_length=1, max_length=200)]
    accounts: Annotated[int, Meta(ge=10, le=1_000_000)]
    transfers: Annotated[int, Meta(ge=1, le=10_000_000)]
    rate: Annotated[float, Meta(ge=0)] = 0
    """Requests a second, by a schedule that waits for no answer; 0 is as fast as the broker takes them."""
    warm_up_s: Annotated[float, Meta(ge=0)] = 0
    """Of so many seconds' requests the latencies do not count."""
    hot: Share = 0
    """From one account, or to it, by turns."""
    reviewed: Share = 0
    """So large that a second person looks at them; one in five is rejected, one in five waits for ever."""
    refused: Share = 0
    """That cannot go through: to a frozen account or to none, from one that is too poor, from an account to itself."""
    seed: Annotated[int, Meta(ge=0)] = 1

    def __post_init__(self) -> None:
        """Refuse shares of more than all."""
        if self.hot + self.reviewed + self.refused > 1:
            raise ValueError("hot, reviewed and refused are shares of all transfers: together at most 1")


def read(name: str) -> BankScenario:
    """The shipped scenario of that name, or the one in a .toml file; `Misconfigured` says what is wrong."""
    path = SHIPPED / f"{name}.toml"
    if not path.is_file():
        path = Path(name)
    if path.suffix != ".toml" or not path.is_file():
        names = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.toml")))
        raise Misconfigured(f"there is no scenario {name!r}: name a .toml file, or one of {names}")
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), BankScenario)
    except (OSError, ValueError) as error:  # msgspec's own are ValueErrors, too
        raise Misconfigured(f"{path}: {' '.join(str(error).split())}") from error
