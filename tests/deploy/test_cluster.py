"""What `make deploy-test` makes of what a cluster says; the rest of it needs one."""

from typing import Any

import pytest

from headrace.kernel.errors import Fault
from headrace_load.cluster.kubectl import is_ready, wait


def pod(status: str, **metadata: str) -> dict[str, Any]:
    return {"metadata": {"name": "one", **metadata}, "status": {"conditions": [{"type": "Ready", "status": status}]}}


def test_a_pod_that_is_on_its_way_out_is_not_ready_although_it_still_says_so() -> None:
    assert is_ready(pod("True"))
    assert not is_ready(pod("True", deletionTimestamp="2026-11-28T12:00:00Z"))
    assert not is_ready(pod("False"))
    assert not is_ready({"metadata": {"name": "one"}, "status": {}})


def test_what_does_not_come_is_named_when_the_time_is_over() -> None:
    with pytest.raises(Fault, match="not within 0 s: the second coming"):
        wait(lambda: False, "the second coming", 0)
    assert wait(lambda: True, "it is there", 0) < 1
