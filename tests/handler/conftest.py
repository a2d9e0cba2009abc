"""Each test of how commands are answered runs twice: as it is, and with every answer given in Python."""

from collections.abc import Iterator

import pytest

from headrace.handler import partition
from headrace.handler.shortcut import no_shortcut


@pytest.fixture(scope="module", autouse=True, params=["short", "long"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """`short` where commands that are accepted are answered by compiled code, as far as there is any."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "long":
            patch.setattr(partition, "shortcut", lambda *_: no_shortcut)
        yield request.param
