"""Each kind of database error lands on its rung."""

import psycopg
import pytest
from psycopg import errors

from headrace.avro.codec import Undecodable
from headrace.kernel.errors import Misconfigured
from headrace.postgres.checkpoint import Superseded
from headrace.postgres.ladder import Rung, judge

BY_CODE = {
    "40001": Rung.AGAIN,
    "40P01": Rung.AGAIN,
    "55P03": Rung.AGAIN,
    "57014": Rung.AGAIN,
    "57P01": Rung.RECONNECT,
    "57P02": Rung.RECONNECT,
    "57P03": Rung.RECONNECT,
    "25P03": Rung.RECONNECT,
    "25006": Rung.RECONNECT,
    "08006": Rung.RECONNECT,
    "08P01": Rung.RECONNECT,
    "22003": Rung.POISON,
    "22P02": Rung.POISON,
    "23502": Rung.POISON,
    "23505": Rung.POISON,
    "23514": Rung.POISON,
    "54000": Rung.POISON,
    "25P02": Rung.FATAL,
    "42P01": Rung.FATAL,
    "42501": Rung.FATAL,
    "53100": Rung.FATAL,
    "XX001": Rung.FATAL,
}


@pytest.mark.parametrize(("code", "rung"), BY_CODE.items())
def test_an_error_of_the_server_is_judged_by_its_code(code: str, rung: Rung) -> None:
    assert judge(errors.lookup(code)()) is rung


def test_an_error_without_a_code_is_the_network_s_or_a_value_s() -> None:
    assert judge(psycopg.OperationalError("the connection is lost")) is Rung.RECONNECT
    assert judge(psycopg.DataError("text cannot contain NUL")) is Rung.POISON
    assert judge(psycopg.ProgrammingError("cannot adapt this type")) is Rung.POISON
    assert judge(psycopg.InterfaceError("the cursor is closed")) is Rung.FATAL


@pytest.mark.parametrize(
    "error",
    [ZeroDivisionError(), KeyError("x"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, ""), Undecodable("not a state")],
)
def test_code_that_breaks_values_that_do_not_encode_and_states_that_do_not_decode_are_poison(error: Exception) -> None:
    assert judge(error) is Rung.POISON


@pytest.mark.parametrize("error", [Superseded("taken over"), Misconfigured("wrong"), MemoryError()])
def test_what_is_no_event_s_fault_is_never_parked(error: Exception) -> None:
    assert judge(error) is Rung.FATAL


@pytest.mark.edge
def test_any_error_on_a_connection_that_is_gone_asks_for_a_new_one(database: str) -> None:
    connection = psycopg.connect(database)
    connection.close()
    assert judge(psycopg.InterfaceError("the connection is closed"), connection) is Rung.RECONNECT
    assert judge(errors.lookup("22003")(), connection) is Rung.RECONNECT
