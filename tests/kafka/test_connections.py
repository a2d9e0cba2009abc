"""Which lines of a client's log mean that a request may still be on its way."""

import logging

import pytest

from headrace.kafka.producer import Connections

IN_USE = "[thrd:TxnCoordinator]: TxnCoordinator: 127.0.0.1:1: Disconnected: reset by peer (after 850ms in state UP)"
REFUSED = "[thrd:b/1]: b/1: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)"
UNANSWERED = "[thrd:b/1]: b/1: Timed out 1 in-flight, 0 retry-queued, 0 out-queue, 0 partially-sent requests"
LOADING = "[thrd:main]: Failed to acquire transactional PID from broker b/1: Coordinator load in progress: retrying"


@pytest.mark.parametrize(
    ("kind", "line", "broken"),
    [
        ("FAIL", IN_USE, True),
        ("REQTMOUT", UNANSWERED, True),
        ("FAIL", REFUSED, False),
        ("GETPID", LOADING, False),
    ],
    ids=["a connection in use broke", "a request was not answered", "no connection came about", "something else"],
)
def test_only_a_request_that_was_sent_and_not_answered_is_doubted(kind: str, line: str, broken: bool) -> None:
    connections = Connections()
    connections.log(logging.INFO, "%s [%s] %s", kind, "producer-1", line)
    assert connections.broken == broken
