"""The compiled codec beside straight-line Python: what it leaves to that, and that nobody can tell the two apart."""

import shutil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from any_schema import Case, cases
from headrace.app import app
from headrace.avro.codec import BROKEN
from headrace.avro.functions import BEST, COMPILED, PYTHON, Functions, functions_called
from headrace.avro.ids import codec_with
from headrace.avro.straight.shape import shape_of
from headrace.avro.straight.to_bytes import long, text, text_or_null
from headrace.kernel.errors import Misconfigured
from headrace.settings import read_settings
from messages import LONGS, SCHEMAS

TEXTS = st.text(max_size=80) | st.sampled_from(["\ud800", "é" * 600, "a" * 1024, ""])


def end_of(function: Any, *given: Any) -> tuple[Any, Any]:
    """What it returns, or what it raises, with its words."""
    try:
        return repr(function(*given)), None
    except BROKEN as error:
        return type(error), str(error)


def test_where_there_is_a_c_compiler_the_codec_is_compiled() -> None:
    assert COMPILED is not None or shutil.which("cc") is None
    assert BEST is (COMPILED or PYTHON)


def test_the_codec_is_chosen_by_its_name() -> None:
    assert functions_called("python") is PYTHON
    assert functions_called("auto") is BEST
    if COMPILED is None:
        with pytest.raises(Misconfigured, match="built without a C compiler"):
            functions_called("compiled")
    else:
        assert functions_called("compiled") is COMPILED


def test_the_environment_chooses_the_codec_of_a_service() -> None:
    settings = read_settings().model_copy(update={"schemas": SCHEMAS})
    for name in ("auto", "python"):
        codec = codec_with(app, settings.model_copy(update={"codec": name}), None)
        assert codec.functions is functions_called(name)


@pytest.mark.skipif(COMPILED is None, reason="built without a C compiler")
@given(cases(), st.data())
def test_ordinary_records_are_not_left_to_straight_line_code(case: Case, data: st.DataObject) -> None:
    from headrace.avro.compiled import Reader, Writer  # noqa: PLC0415 - where there is one

    def left(*_: Any) -> Any:
        raise AssertionError("left to straight-line code")

    shape, value = shape_of(case.schema, case.type), data.draw(case.values)
    frame = PYTHON.writer_for(None, (case.schema, case.type), None)(None, value, None)
    assert Writer([("body", shape)], b"", "", left).write(value) == frame
    assert Reader([shape], left).read(frame, 0) == (value, len(frame))


@pytest.mark.skipif(COMPILED is None, reason="built without a C compiler")
@given(cases(), cases(), st.data())
def test_what_is_skipped_to_the_last_record_is_what_could_be_read(first: Case, last: Case, data: st.DataObject) -> None:
    from headrace.avro.compiled import Reader, Unusual  # noqa: PLC0415 - where there is one

    (shape, value), (last_shape, last_value) = (
        (shape_of(case.schema, case.type), data.draw(case.values)) for case in (first, last)
    )
    pieces = ((first.schema, first.type), (last.schema, last.type), None)
    frame = PYTHON.writer_for(*pieces)(value, last_value, None)
    plain = PYTHON.whole_reader_for(*pieces)
    reader = Reader([shape, last_shape], plain)
    _, over, *_ = plain(frame, 0)
    if frame.isascii():
        assert reader.last_of(frame, 0, over) == last_value
        with pytest.raises(Unusual):
            reader.last_of(frame, 0, over - 1)
    place = data.draw(st.integers(0, len(frame) - 1))
    broken = frame[:place] + data.draw(st.binary(max_size=3)) + frame[place + 1 :]
    try:
        found = reader.last_of(broken, 0, len(broken))
    except Exception:  # noqa: BLE001 - whatever it is, it is left to straight-line code
        return
    _, _, read, end, *_ = plain(broken, 0)
    assert (repr(read), end) == (repr(found), len(broken))


@pytest.mark.skipif(COMPILED is None, reason="built without a C compiler")
@given(cases(), cases(), st.data())
def test_what_is_skipped_behind_the_first_record_is_what_could_be_read(
    first: Case, last: Case, data: st.DataObject
) -> None:
    from headrace.avro.compiled import Reader  # noqa: PLC0415 - where there is one

    pieces = ((first.schema, first.type), (last.schema, last.type), None)
    frame = PYTHON.writer_for(*pieces)(value := data.draw(first.values), data.draw(last.values), None)
    plain = PYTHON.whole_reader_for(*pieces)
    reader = Reader([shape_of(case.schema, case.type) for case in (first, last)], plain)
    if frame.isascii():
        assert reader.first_of(frame, 0) == (value, plain(frame, 0)[1])
    place = data.draw(st.integers(0, len(frame) - 1))
    broken = frame[:place] + data.draw(st.binary(max_size=3)) + frame[place + 1 :]
    try:
        found, behind = reader.first_of(broken, 0)
    except Exception:  # noqa: BLE001 - whatever it is, it is left to straight-line code
        return
    read, over, _, end, *_ = plain(broken, 0)
    assert (repr(read), over, end) == (repr(found), behind, len(broken))


@pytest.mark.skipif(COMPILED is None, reason="built without a C compiler")
def test_a_record_whose_class_has_rules_is_not_skipped() -> None:
    from headrace.avro.compiled import Reader, Unusual  # noqa: PLC0415 - where there is one

    class Ruled(Struct):
        size: int

        def __post_init__(self) -> None:
            if self.size > 1:
                raise Unusual

    schema = {"type": "record", "name": "Ruled", "fields": [{"name": "size", "type": "long"}]}
    shape = shape_of(schema, Ruled)
    reader = Reader([shape, shape], PYTHON.reading([shape, shape]))
    assert reader.last_of(b"\2\2", 0, 1) == Ruled(1)
    with pytest.raises(Unusual):
        reader.last_of(b"\4\2", 0, 1)


@given(cases(), st.binary(max_size=200))
def test_what_is_refused_is_refused_in_the_same_words(case: Case, frame: bytes) -> None:
    ends = [end_of(by.reader_for(case.schema, case.type), frame, 0) for by in (PYTHON, BEST)]
    assert ends[0] == ends[1]


@given(cases(), cases(), st.data())
def test_what_is_not_written_is_refused_in_the_same_words(case: Case, other: Case, data: st.DataObject) -> None:
    wrong = data.draw(other.values)
    ends = [end_of(by.writer_for(None, (case.schema, case.type), None), None, wrong, None) for by in (PYTHON, BEST)]
    assert ends[0] == ends[1]


@given(LONGS | st.integers(-300, 300) | st.sampled_from([2**63, -(2**63) - 1, 2**64, 10**30]), TEXTS)
def test_single_values_are_written_the_same(by: Functions, number: int, value: str) -> None:
    for plain, made, given_ in zip(
        (long, text, text_or_null, text_or_null),
        (*by.singles, by.singles[2]),
        (number, value, value, None),
        strict=True,
    ):
        assert end_of(made, given_) == end_of(plain, given_)


def test_a_frame_of_any_size_is_written_and_read(by: Functions) -> None:
    """The compiled writer begins with some room, and takes more where that is not enough."""
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": {"type": "array", "items": "string"}}]}
    from msgspec import defstruct  # noqa: PLC0415

    kind = defstruct("R", [("x", list[str])])
    for count in (0, 1, 100, 1000, 5000):
        value = kind([f"item {number}" for number in range(count)])
        frame = by.writer_for(None, (schema, kind), None)(None, value, None)
        assert frame == PYTHON.writer_for(None, (schema, kind), None)(None, value, None)
        assert by.reader_for(schema, kind)(frame, 0) == (value, len(frame))


def test_texts_that_are_alike_are_told_apart(by: Functions) -> None:
    """The compiled reader keeps short texts that it has read, at places that several share."""
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": {"type": "array", "items": "string"}}]}
    from msgspec import defstruct  # noqa: PLC0415

    kind = defstruct("R", [("x", list[str])])
    middles = [f"{'a' * 8}{middle}{'b' * 8}" for middle in ("", "x", "y", "xy", "é", "\0", "a" * 40)]
    shorts = ["", "a", "b", "aa", "é", "ab", "\0", "\0\0", "a\0"]
    many = [f"name {number}" for number in range(5000)]
    value = kind([*middles, *shorts, *many] * 2)
    frame = by.writer_for(None, (schema, kind), None)(None, value, None)
    assert [by.reader_for(schema, kind)(frame, 0) for _ in range(2)] == [(value, len(frame))] * 2
