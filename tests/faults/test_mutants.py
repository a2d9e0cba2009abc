"""Services that are wrong on purpose, under load: each is caught by the check that is there to catch it.

Without a mutant the same load leaves nothing to be found.
"""

import pytest
from confluent_kafka import Producer

from running import Running
from wrong import (
    CREATE,
    EVERYTHING,
    LAST,
    PAY,
    SHIP,
    assert_caught,
    come_to_rest,
    each,
    failpoint,
    is_answered,
    resend,
)

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]


@each(
    f"drop_event:{LAST}",
    "double_event:30",
    "swap_events",
    f"misplace_event:{LAST}",
    "mislabel_event:60",
    f"cut_event:{LAST}",
    "drop_outcome:50",
    "double_outcome:50",
    "commit_offsets_alone:2",
    "skip_command:70",
    "swap_commands",
    "drop_garbage",
    "skip_version:60",
    "keep_state:60",
    "other_content:60",
    f"accept_without_effect:{LAST}",
    "tell_other_time:60",
    short=["", f"drop_event:{LAST}", "skip_version:60"],
)
def test_a_handler_that_answers_wrongly(shop: Running, wrong: str) -> None:
    shop.send("orders", *EVERYTHING)
    producer = Producer({"bootstrap.servers": shop.env["KAFKA_BOOTSTRAP_SERVERS"]})
    producer.produce("orders.commands", b"garbage", b"order-1", partition=2)
    producer.flush()
    shop.start("handler", "handle", "orders", HEADRACE_FAILPOINT=failpoint(wrong), HEADRACE_BATCH_SIZE="50")
    shop.start_projectors()
    come_to_rest(shop)
    assert_caught(shop, "handler", wrong)


@each("answer_anew:3", "repeat_wrongly:3", "expect_nothing", "take_expired", "forget_actor", short=["answer_anew:3"])
def test_a_handler_that_is_wrong_about_what_a_command_says_of_itself(shop: Running, wrong: str) -> None:
    shop.start("handler", "handle", "orders", HEADRACE_FAILPOINT=failpoint(wrong))
    shop.start_projectors()
    ids = shop.send("orders", *CREATE, *PAY)
    shop.wait(lambda: is_answered(shop), "all are answered")
    resend(shop, EVERYTHING[:10], ids[:10])
    shop.send("orders", SHIP[0], expected_version=2)
    shop.send("orders", SHIP[1], expected_version=1)
    shop.send("orders", SHIP[2], issued_at=1)
    shop.send("orders", SHIP[3], actor="ann", correlation_id="conversation")
    come_to_rest(shop)
    assert_caught(shop, "handler", wrong)


@each("keep_aborted", "write_outside")
def test_a_handler_that_is_wrong_about_an_abort(shop: Running, wrong: str) -> None:
    shop.send("orders", *EVERYTHING)
    abort = failpoint(wrong, "abort:flushed:3")
    shop.start("handler", "handle", "orders", HEADRACE_FAILPOINT=abort, HEADRACE_BATCH_SIZE="30")
    shop.start_projectors()
    come_to_rest(shop)
    assert_caught(shop, "handler", wrong)
