"""What is answered on METRICS_PORT."""

import json
import socket
from collections.abc import Iterator

import pytest

from headrace.kernel.errors import Misconfigured
from headrace.observe.health import Health
from headrace.observe.server import served
from headrace.settings import Settings
from scraping import free_port, get


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def address(health: Health) -> Iterator[str]:
    port = free_port()
    with served(Settings(METRICS_PORT=port), health):
        yield f"http://127.0.0.1:{port}"


def test_probes_answer_200_or_503_with_the_reason(address: str, health: Health) -> None:
    assert get(f"{address}/healthz")[0] == 200
    for path in ("startupz", "readyz"):
        status, kind, body = get(f"{address}/{path}?verbose")
        assert (status, kind) == (503, "application/json")
        assert json.loads(body) == {"ok": False, "why": "Kafka and Postgres have not answered yet"}
    health.begin()
    health.ready()
    assert {get(f"{address}/{path}")[0] for path in ("healthz", "startupz", "readyz")} == {200}
    health.fail("fenced")
    assert get(f"{address}/healthz")[::2] == (503, '{"ok":false,"why":"fenced"}\n')


def test_metrics_are_text_or_openmetrics(address: str) -> None:
    status, kind, body = get(f"{address}/metrics")
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    assert "headrace_build_info{" in body
    assert get(f"{address}/metrics", Accept="application/openmetrics-text; version=1.0.0")[2].endswith("# EOF\n")


def test_another_path_is_told_which_there_are(address: str) -> None:
    status, _, body = get(f"{address}/")
    assert (status, "try /metrics, /healthz, /readyz, /startupz" in body) == (404, True)


def test_a_client_that_says_nothing_holds_up_nobody(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))):
        assert get(f"{address}/healthz")[0] == 200


@pytest.mark.parametrize(("variables", "said"), [({}, "Address already in use"), ({"METRICS_HOST": "192.0.2.1"}, "")])
def test_a_port_that_cannot_be_had_is_one_clear_line(variables: dict[str, str], said: str) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:  # noqa: S104
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured) as caught, served(Settings(METRICS_PORT=port, **variables), Health()):
            pass
    assert f"METRICS_PORT={port} on " in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_a_port_nothing_is_answered_and_nothing_can_be_taken() -> None:
    with served(Settings(), Health()), served(Settings(), Health()):
        pass
